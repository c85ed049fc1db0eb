/** `nereid models validate` shows what is filled in, and where every problem lies. */
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { validateModels } from "../../../../cli/models.ts";
import { addSub, identity } from "../../../models/small-models.ts";

const repository = mkdtempSync(path.join(tmpdir(), "nereid-validate-"));
afterAll(() => rmSync(repository, { recursive: true }));

function put(name: string, content: string | Uint8Array): void {
  const file = path.join(repository, name);
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(file, content);
}

const step = (model: string) =>
  `step { model_name: "${model}" model_version: -1 input_map { key: "INPUT0" value: "X" } output_map { key: "OUTPUT0" value: "Y" } }`;
const ensemble = (model: string, type = "TYPE_FP32") =>
  `platform: "ensemble"\nmax_batch_size: 4\ninput { name: "X" data_type: ${type} dims: -1 }\noutput { name: "Y" data_type: TYPE_FP32 dims: -1 }\nensemble_scheduling {\n  ${step(model)}\n}\n`;

beforeAll(() => {
  put("echo/1/model.onnx", identity());
  put("plain/1/model.onnx", addSub());
  put("plain/config.pbtxt", 'name: "plain"\nmax_batch_size: 0\nversion_policy { specific { versions: [ 1, 5 ] } }\n');
  put("typo/config.pbtxt", 'name: "typo"\n\nmax_batch: 3\n');
  put("typo/1/model.onnx", identity());
  put(
    "faulty/config.pbtxt",
    'name: "faulty"\nmax_batch_size: 4\ninput {\n  name: "INPUT0"\n  data_type: TYPE_INT8\n  dims: [ 2, 2 ]\n}\noutput { name: "OUTPUT0" data_type: TYPE_FP32 dims: -1 }\ninstance_group { kind: KIND_GPU }\n',
  );
  put("faulty/1/model.onnx", identity());
  put("chain/config.pbtxt", ensemble("echo"));
  put("broken_chain/config.pbtxt", ensemble("echo", "TYPE_INT8"));
  put("lost/config.pbtxt", ensemble("nowhere"));
  put("named/v1/model.onnx", identity());
  put("zero/01/model.onnx", identity());
  put("flat/model.onnx", identity());
  put("other_policy/1/model.onnx", identity());
  put("other_policy/config.pbtxt", "version_policy { specific { versions: 4 } }");
  put("called/1/net.onnx", identity());
  put("two/1/a.onnx", identity());
  put("two/1/b.onnx", identity());
  put("two/config.pbtxt", 'backend: "onnxruntime"');
  put("linked/1/labels.txt", "a");
  put("folder_linked/config.pbtxt", 'backend: "onnxruntime"');
  put("all_linked/1/labels", "");
  rmSync(path.join(repository, "all_linked/1/labels"));
  symlinkSync(path.join(repository, "echo/1/model.onnx"), path.join(repository, "linked/1/model.onnx"));
  symlinkSync(path.join(repository, "echo/1"), path.join(repository, "folder_linked/1"));
  symlinkSync(path.join(repository, "echo/1/model.onnx"), path.join(repository, "all_linked/1/model.onnx"));
  put("traced/1/model.pt", "");
  put("both/1/model.plan", "");
  put("both/1/model.onnx", identity());
  put("half/1/model.onnx", identity());
  put("half/2/model.onnx", "<html>");
  put("half/config.pbtxt", "version_policy { all { } }");
  put("incomplete/1/model.onnx", identity());
  put(
    "incomplete/config.pbtxt",
    'max_batch_size: 4\nparameters { key: "intra_op_thread_count" value { string_value: "many" } }\nparameters { key: "node_labels" value { string_value: "zone" } }\noutput { name: "OUTPUT0" label_filename: "labels.txt" }\n',
  );
  put("effectless/1/model.onnx", identity());
  put(
    "effectless/config.pbtxt",
    'optimization {\n  cuda { graphs: true }\n}\nparameters { key: "gpu_mem_limit" value { string_value: "1" } }\nparameters { key: "node_labels" value { string_value: "zone=a" } }\n',
  );
  put("round/config.pbtxt", ensemble("about"));
  put("about/config.pbtxt", ensemble("round"));
});

async function validate(...names: readonly string[]): Promise<{ readonly text: string; readonly failure: string | undefined }> {
  let text = "";
  const folders = names.map((name) => path.join(repository, name));
  const failure = await validateModels(folders, { write: (part: string) => (text += part) }).then(
    () => undefined,
    (thrown: unknown) => (thrown instanceof Error ? thrown.message : String(thrown)),
  );
  return { text: text.replaceAll(`${path.relative(process.cwd(), repository)}/`, ""), failure };
}

describe("nereid models validate", () => {
  test("marks what auto-complete has filled in", async () => {
    const { text, failure } = await validate("echo", "plain");
    expect(failure).toBeUndefined();
    expect(text).toMatch(/^echo: fine, version 1\n {2}\+ name: "echo"\n/);
    expect(text).toContain("  + max_batch_size: 4\n");
    expect(text).toContain('plain: fine, version 1\n  version 5 is asked for and not there\n    name: "plain"\n');
  });

  test("tells every problem with file, line and remedy, and fails", async () => {
    const { text, failure } = await validate("echo", "faulty");
    expect(failure).toBe("1 of 2 model folders have problems");
    expect(text).toContain(
      "  faulty/config.pbtxt:9:18: instance group faulty_0 of model faulty has kind KIND_GPU but server does not support GPUs\n    fix: set kind: KIND_CPU, or remove kind\n",
    );
    expect(text).toContain("  faulty/config.pbtxt:5:3: unable to load model 'faulty', configuration expects datatype TYPE_INT8");
    expect(text).toContain("  faulty/config.pbtxt:6:3: model 'faulty', tensor 'INPUT0': the model expects 2 dimensions");
  });

  test("tells where a text cannot be read, and which folders are none", async () => {
    const { text, failure } = await validate("typo", "absent");
    expect(failure).toBe("2 of 2 model folders have problems");
    expect(text).toContain(
      'typo: has problems\n  typo/config.pbtxt:3:1: Message type "inference.ModelConfig" has no field named "max_batch".',
    );
    expect(text).toMatch(/absent: has problems\n {2}there is no folder/);
  });

  test("checks ensembles against the models beside them", async () => {
    expect((await validate("chain")).failure).toBeUndefined();
    expect((await validate("broken_chain")).text).toContain(
      "inconsistent data type: TYPE_INT8 is inferred from model broken_chain while TYPE_FP32",
    );
    expect((await validate("lost")).text).toContain(
      "lost/config.pbtxt:5:1: ensemble lost contains models that are not available or ambiguous: nowhere",
    );
    expect((await validate("round")).text).toContain("circular dependency between ensembles: round -> ... -> about -> round");
  });

  test.each([
    ["named", "rename v1/ to 1/: a version's folder has a whole number without leading zeros as its name"],
    ["zero", "rename 01/ to 1/: a version's folder has a whole number without leading zeros as its name"],
    ["flat", "move model.onnx into flat/1/"],
    ["other_policy", "there are 1: let version_policy have one of them"],
    ["linked", "1/model.onnx is a symbolic link, and those are not followed: put what it leads to in its place (cp -rL, or a hard link)"],
    ["folder_linked", "1 is a symbolic link, and those are not followed"],
    ["all_linked", "1/model.onnx is a symbolic link, and those are not followed"],
    ["called", 'rename 1/net.onnx to model.onnx, or write default_model_filename: "net.onnx"'],
    ["two", "say which of a.onnx, b.onnx it is with default_model_filename; others belong into versions of their own"],
    ["traced", "fix: export it with torch.onnx.export"],
    ["both", 'fix: 1/model.onnx is there: set backend: "onnxruntime"'],
  ])("says what to do about a folder that is laid out otherwise: %s", async (name, fix) => {
    const { text, failure } = await validate(name);
    expect(failure).toBe("1 of 1 model folders have problems");
    expect(text).toContain(fix);
  });

  test("names the backends that are here for a model of another", async () => {
    expect((await validate("traced")).text).toContain(
      "unable to find backend library for backend 'pytorch': models here are ONNX files (onnxruntime), Python models (python), language models (llm) and ensembles",
    );
  });

  test("tells of each version what is wrong with it alone", async () => {
    const { text } = await validate("half");
    expect(text).toBe("half: has problems, versions 2, 1\n  2/model.onnx is a web page or XML: download the file itself\n");
  });

  test("finds what only a load would: files that are not there, parameters that are none", async () => {
    expect((await validate("incomplete")).text).toContain("label file 'labels.txt' is not in the model's folder");
    put("incomplete/labels.txt", "cat");
    expect((await validate("incomplete")).text).toContain("failed to convert intra_op_thread_count 'many' to integral number");
    expect((await validate("incomplete")).text).toContain("parameter 'node_labels' is \"zone\": write NAME=VALUE");
  });

  test("tells what has no effect here, and why, which is no problem", async () => {
    const { text, failure } = await validate("effectless");
    expect(failure).toBeUndefined();
    expect(text).toContain("  effectless/config.pbtxt:2:3: optimization.cuda has no effect here: it is for GPUs\n");
    expect(text).toMatch(/ {2}effectless\/config\.pbtxt:4:\d+: parameters\.gpu_mem_limit has no effect here/);
    expect(text).not.toContain("parameters.node_labels");
  });

  test("takes a whole repository, and reports for programs in JSON", async () => {
    let text = "";
    const whole = validateModels([repository], { write: (part: string) => (text += part) }, { json: true });
    await expect(whole).rejects.toThrow(/^\d+ of \d+ model folders have problems$/);
    const reports: readonly { readonly folder: string; readonly fine: boolean }[] = JSON.parse(text);
    const byName = new Map(reports.map((report) => [path.basename(report.folder), report]));
    expect([...byName.keys()]).toContain("chain");
    expect(byName.get("echo")).toMatchObject({ fine: true, versions: [1], problems: [], config: { max_batch_size: 4 } });
    expect(byName.get("faulty")).toMatchObject({
      fine: false,
      problems: expect.arrayContaining([
        {
          message: "instance group faulty_0 of model faulty has kind KIND_GPU but server does not support GPUs",
          fix: "set kind: KIND_CPU, or remove kind",
          field: "instance_group[0].kind",
          file: "config.pbtxt",
          line: 9,
          column: 18,
        },
      ]),
    });
  });
});
