/** What a load would load, read from the repository's folders or from what came with the call. */
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { modelName } from "../../../../core/ids.ts";
import { seededRandom } from "../../../../core/random.ts";
import { ModelSources } from "../../../../core/repository/model-sources.ts";
import { RepositoryFolders } from "../../../../gateway/control/repository-folders.ts";

const NONE = { files: new Map<string, Uint8Array>() };
const bytes = (text: string) => new TextEncoder().encode(text);

let folder: string;
let folders: RepositoryFolders;

beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), "nereid-folders-"));
  const [repositoryFolder, uploadsFolder] = [path.join(folder, "repository"), path.join(folder, "uploads")];
  mkdirSync(repositoryFolder);
  folders = new RepositoryFolders(new ModelSources({ repositoryFolders: [repositoryFolder], uploadsFolder, random: seededRandom(3n) }));
});
afterEach(() => rmSync(folder, { recursive: true }));

function put(name: string, content = "x"): void {
  const file = path.join(folder, "repository", name);
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(file, content);
}

const plan = (name: string) => folders.plan(modelName(name), NONE);

describe("the repository's models", () => {
  test("are its folders, language models among them, without files and names that no model can have", async () => {
    put("b/1/model.onnx");
    put("a/1/model.onnx");
    put("llama/1/model.gguf");
    put("told/1/weights.bin");
    put("told/config.pbtxt", 'backend: "llm"');
    put("notes.txt");
    put(".git/config");
    put("a..b/1/model.onnx");
    expect(await folders.names()).toEqual(["a", "b", "llama", "told"]);
  });

  test("include one whose configuration cannot be read: its load says what is wrong", async () => {
    put("broken/1/model.onnx");
    put("broken/config.pbtxt", "max_batch_size: many");
    expect(await folders.names()).toEqual(["broken"]);
    await expect(plan("broken")).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
  });

  test("that are links to folders are models too", async () => {
    put("elsewhere/1/model.onnx");
    symlinkSync(path.join(folder, "repository", "elsewhere"), path.join(folder, "repository", "linked"));
    expect(await folders.names()).toEqual(["elsewhere", "linked"]);
  });
});

describe("a plan", () => {
  test("has the latest version unless the configuration wants others, in order of their numbers", async () => {
    for (const version of ["2", "10", "9", "007", "old"]) put(`m/${version}/model.onnx`);
    expect(await plan("m")).toMatchObject({ versions: ["10"], source: "", config: "" });
    put("m/config.pbtxt", "version_policy { all { } }");
    expect((await plan("m")).versions).toEqual(["2", "9", "10"]);
    put("m/config.pbtxt", "version_policy { specific { versions: [9, 2] } }");
    expect((await plan("m")).versions).toEqual(["2", "9"]);
  });

  test("changes its fingerprint with any file's content or name, and only then", async () => {
    put("m/1/model.onnx", "one");
    const first = await plan("m");
    expect((await plan("m")).fingerprint).toBe(first.fingerprint);
    put("m/1/model.onnx", "two");
    const second = await plan("m");
    put("m/labels.txt", "cat");
    const third = await plan("m");
    put("m/1/model.onnx", "one");
    rmSync(path.join(folder, "repository", "m", "labels.txt"));
    expect(new Set([first, second, third].map(({ fingerprint }) => fingerprint)).size).toBe(3);
    expect((await plan("m")).fingerprint).toBe(first.fingerprint);
  });

  test("has for each version a digest that changes with its own files and those that all versions have, not with another version's", async () => {
    for (const name of ["1/model.onnx", "2/model.onnx", "007/model.onnx", "labels.txt"]) put(`m/${name}`);
    put("m/config.pbtxt", "version_policy { all { } }");
    const changedBy = async (name: string) => {
      const before = (await plan("m")).digests ?? {};
      put(`m/${name}`, `another ${name}`);
      const after = (await plan("m")).digests ?? {};
      return Object.keys(after).filter((version) => after[version] !== before[version]);
    };
    expect(await changedBy("1/model.onnx")).toEqual(["1"]);
    expect(await changedBy("2/weights.bin")).toEqual(["2"]);
    expect(await changedBy("labels.txt")).toEqual(["1", "2"]);
    expect(await changedBy("warmup/sample")).toEqual(["1", "2"]);
    expect(await changedBy("3/model.onnx")).toEqual(["3"]);
  });

  test("keeps the configuration of the load before it, until the model's own file changes or another one comes", async () => {
    put("m/1/model.onnx");
    put("m/config.pbtxt", "max_batch_size: 0");
    const [model, given] = [modelName("m"), '{"backend":"onnxruntime","max_batch_size":2}'];
    const overridden = await folders.plan(model, { ...NONE, config: given });
    expect((await folders.plan(model, NONE, overridden)).fingerprint).toBe(overridden.fingerprint);
    const other = '{"backend":"onnxruntime","max_batch_size":3}';
    expect((await folders.plan(model, { ...NONE, config: other }, overridden)).config).toBe(other);
    put("m/config.pbtxt", "max_batch_size: 1");
    expect((await folders.plan(model, NONE, overridden)).config).toBe("");
  });

  test("needs the MD5 that the repository agent `checksum` is told for a file, and no other agent", async () => {
    put("m/1/model.onnx", "one");
    const agents = (name: string, md5: string) =>
      `model_repository_agents { agents { name: "${name}" parameters { key: "MD5:1/model.onnx" value: "${md5}" } } }`;
    put("m/config.pbtxt", agents("checksum", createHash("md5").update("one").digest("hex")));
    expect((await plan("m")).versions).toEqual(["1"]);
    put("m/1/model.onnx", "two");
    await expect(plan("m")).rejects.toThrow("'m': Mismatched MD5 hash for file 1/model.onnx");
    put("m/config.pbtxt", agents("decrypt", ""));
    await expect(plan("m")).rejects.toThrow("unable to find repository agent 'decrypt'");
  });

  test("of a language model has how it is to be run, by its configuration or by itself", async () => {
    put("bare/1/anything.gguf", "12345");
    expect(await plan("bare")).toMatchObject({
      versions: ["1"],
      copies: 1,
      bytes: 5,
      language: { stages: 0, quantization: "auto", slots: 8, contextLength: 0, threads: 0 },
    });
    put("hub/1/config.json", "{}");
    expect((await plan("hub")).language).toBeDefined();
    put("told/1/model.gguf");
    const parameters = { quantization: "int8", pipeline_stages: "3", context_length: "512", slots: "2", threads: "4" };
    const texts = Object.entries(parameters).map(([key, value]) => `parameters { key: "${key}" value { string_value: "${value}" } }`);
    put("told/config.pbtxt", `backend: "llm"\ninstance_group [ { count: 2 } ]\n${texts.join("\n")}`);
    expect(await plan("told")).toMatchObject({
      copies: 2,
      language: { stages: 3, quantization: "int8", slots: 2, contextLength: 512, threads: 4 },
    });
  });

  test.each([
    ["pipeline_stages", "65", "1 to 64, or auto"],
    ["slots", "many", "1 to 4096"],
    ["quantization", "int2", "auto, native, int8, int4, fp32"],
  ])("refuses the parameter %s of a language model when it is %s, with what is allowed", async (key, value, allowed) => {
    put("told/1/model.gguf");
    put("told/config.pbtxt", `backend: "llm"\nparameters { key: "${key}" value { string_value: "${value}" } }`);
    await expect(plan("told")).rejects.toThrow(allowed);
  });

  test("of a whole model has as many copies as its configuration says", async () => {
    put("m/1/model.onnx");
    expect((await plan("m")).copies).toBe(1);
    put("m/config.pbtxt", 'parameters { key: "replicas" value { string_value: "3" } }');
    expect((await plan("m")).copies).toBe(3);
  });

  test("says between which numbers its copies follow the queue, and refuses limits that do not fit", async () => {
    const parameter = (name: string, value: string) => `parameters { key: "${name}" value { string_value: "${value}" } }\n`;
    put("m/1/model.onnx");
    put("m/config.pbtxt", parameter("max_replicas", "4"));
    expect(await plan("m")).toMatchObject({ copies: 1, copiesMin: 1, copiesMax: 4 });
    put("m/config.pbtxt", parameter("replicas", "3") + parameter("min_replicas", "2") + parameter("max_replicas", "4"));
    expect(await plan("m")).toMatchObject({ copies: 3, copiesMin: 2, copiesMax: 4 });
    for (const [min, max] of [
      ["3", "2"],
      ["0", "2"],
      ["1", "many"],
    ] as const) {
      put("m/config.pbtxt", parameter("min_replicas", min) + parameter("max_replicas", max));
      await expect(plan("m")).rejects.toThrow(/(min|max)_replicas/);
    }
  });

  test("asks for labels of nodes where its configuration does, and is another one with others", async () => {
    const asking = (labels: string) => put("m/config.pbtxt", `parameters { key: "node_labels" value { string_value: "${labels}" } }`);
    put("m/1/model.onnx");
    expect(await plan("m")).not.toHaveProperty("labels");
    asking("zone=a, disk=ssd");
    const first = await plan("m");
    expect(first.labels).toEqual({ zone: "a", disk: "ssd" });
    asking("zone=b");
    const { labels, digests } = await plan("m");
    expect(labels).toEqual({ zone: "b" });
    expect(digests?.["1"]).not.toBe(first.digests?.["1"]);
    asking("zone");
    await expect(plan("m")).rejects.toThrow("parameter 'node_labels' is \"zone\": write NAME=VALUE");
  });

  test("takes a configuration that comes with the call instead of the file's", async () => {
    for (const version of ["1", "2"]) put(`m/${version}/model.onnx`);
    put("m/config.pbtxt", "no configuration at all");
    const config = '{"version_policy":{"all":{}}}';
    const planned = await folders.plan(modelName("m"), { ...NONE, config });
    expect(planned).toMatchObject({ versions: ["1", "2"], source: "", config });
  });

  test("has only the uploaded files where there are any, under the digest of their content", async () => {
    put("m/1/model.onnx");
    const upload = (content: string) => ({ config: "{}", files: new Map([["3/model.onnx", bytes(content)]]) });
    const first = await folders.plan(modelName("m"), upload("x"));
    expect(first).toMatchObject({ versions: ["3"], source: expect.stringMatching(/^[0-9a-f]{32}$/) });
    expect(await folders.plan(modelName("m"), upload("x"))).toEqual(first);
    expect((await folders.plan(modelName("m"), upload("y"))).source).not.toBe(first.source);
  });

  test.each([
    ["files without a configuration", "m", { files: new Map([["1/model.onnx", bytes("x")]]) }, /give 'config' too/],
    ["a model that is not there", "nobody", NONE, /there is no model 'nobody' in the repository/],
    ["a model without versions", "empty", NONE, /version/],
    ["a configuration of another model", "m", { ...NONE, config: '{"name":"other"}' }, /unexpected directory name 'm' for model 'other'/],
    ["a configuration that is no JSON", "m", { ...NONE, config: "{" }, /./],
  ])("is refused for %s", async (_, name, overrides, message) => {
    put("m/1/model.onnx");
    put("empty/config.pbtxt", 'backend: "onnxruntime"');
    await expect(folders.plan(modelName(name), overrides)).rejects.toThrow(message);
  });
});
