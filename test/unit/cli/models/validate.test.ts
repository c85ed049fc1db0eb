/** `nereid models validate` shows what is filled in, and where every problem lies. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
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
});
