/** Loading, reloading and unloading whole models of a running cluster, as clients ask for it over HTTP. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { tensor } from "../../../client/tensor-input.ts";
import { stillThere } from "../../engine/cli/command.ts";
import { OnnxModel } from "../../models/onnx-model.ts";
import { addSub, failing, identity } from "../../models/small-models.ts";
import { eventually, type ModelCluster, startModelCluster } from "./model-cluster.ts";
import { ModelRepository } from "./model-repository.ts";

const ONE_INSTANCE = "instance_group { count: 1 kind: KIND_CPU }";
const SUM = addSub([2], "i32");
/** As SUM, but OUTPUT0 is the difference. */
const DIFFERENCE = new OnnxModel()
  .input("INPUT0", "i32", [2])
  .input("INPUT1", "i32", [2])
  .output("OUTPUT0", "i32", [2])
  .node({ op: "Sub", inputs: ["INPUT0", "INPUT1"], outputs: ["OUTPUT0"] })
  .finish();
const GONE_MS = 10_000;

const repository = new ModelRepository();
let cluster: ModelCluster;

beforeAll(async () => {
  repository
    .put("sum", { "1/model.onnx": SUM, "config.pbtxt": ONE_INSTANCE })
    .put("replaced", { "1/model.onnx": SUM, "config.pbtxt": ONE_INSTANCE })
    .put("versions", { "1/model.onnx": SUM, "3/model.onnx": SUM, "config.pbtxt": `version_policy { all { } } ${ONE_INSTANCE}` })
    .put("damaged", { "1/model.onnx": "no model at all" })
    .put("cold", { "1/model.onnx": failing(), "warmup/seven": new Uint8Array(BigInt64Array.of(7n).buffer), "config.pbtxt": COLD })
    .put("other_name", { "1/model.onnx": SUM, "config.pbtxt": 'name: "sum"' });
  cluster = await startModelCluster(repository.folder, { "--model-control-mode": "explicit" });
});

afterAll(async () => {
  await cluster?.[Symbol.asyncDispose]();
  repository[Symbol.dispose]();
});

/** Its sample looks up what the table has not. */
const COLD = `${ONE_INSTANCE} model_warmup {
  name: "too far" batch_size: 2 inputs { key: "INDEX" value { data_type: TYPE_INT64 dims: [1] input_data_file: "seven" } } }`;

async function sum(model: string, version?: string) {
  const inputs = [tensor("INPUT0", "INT32", [2], [1, 2]), tensor("INPUT1", "INT32", [2], [10, 20])];
  const result = await cluster.client.infer({ model, inputs, ...(version !== undefined && { version }) });
  return { values: [...result.output("OUTPUT0").as("INT32")], version: result.version };
}

const rowsOf = async (model: string) => (await cluster.client.repositoryIndex()).filter(({ name }) => name === model);

describe("explicit control", () => {
  test("starts with nothing loaded, and is ready", async () => {
    expect(await cluster.client.isReady()).toBe(true);
    expect(cluster.runnerPids()).toEqual([]);
    expect(await rowsOf("sum")).toEqual([{ name: "sum" }]);
    await expect(sum("sum")).rejects.toMatchObject({ message: "Request for unknown model: 'sum' is not found" });
  });

  test("a model serves as soon as its load is answered, and every version of it that the policy wants", async () => {
    await cluster.client.loadModel("versions");
    expect(await sum("versions")).toEqual({ values: [11, 22], version: "3" });
    expect((await sum("versions", "1")).version).toBe("1");
    expect((await cluster.client.modelMetadata("versions")).versions).toEqual(["1", "3"]);
    expect(await rowsOf("versions")).toEqual([
      { name: "versions", version: "1", state: "READY" },
      { name: "versions", version: "3", state: "READY" },
    ]);
    await expect(sum("versions", "2")).rejects.toMatchObject({ message: "Request for unknown model: 'versions' version 2 is not found" });
  });

  test("an unloaded model takes no requests any more, its processes end, and it is told why it is not there", async () => {
    await cluster.client.loadModel("sum");
    const before = cluster.runnerPids();
    await cluster.client.unloadModel("versions");
    await expect(sum("versions")).rejects.toMatchObject({ message: "Request for unknown model: 'versions' has no available versions" });
    const after = await eventually(cluster.runnerPids, (pids) => pids.length === before.length - 2);
    expect(
      await stillThere(
        before.filter((pid) => !after.includes(pid)),
        GONE_MS,
      ),
    ).toEqual([]);
    expect(await rowsOf("versions")).toMatchObject([
      { version: "1", state: "UNAVAILABLE", reason: "unloaded" },
      { version: "3", state: "UNAVAILABLE", reason: "unloaded" },
    ]);
    expect((await sum("sum")).values).toEqual([11, 22]);
  });

  test("a load of what is loaded already starts nothing", async () => {
    const before = cluster.runnerPids();
    await cluster.client.loadModel("sum");
    expect(cluster.runnerPids()).toEqual(before);
  });

  test("an unknown model cannot be loaded, and is unloaded already", async () => {
    await expect(cluster.client.loadModel("nobody")).rejects.toThrow("failed to load 'nobody', failed to poll from model repository");
    await cluster.client.unloadModel("nobody");
    expect((await cluster.client.repositoryIndex()).map(({ name }) => name)).not.toContain("nobody");
  });

  test("a model whose configuration names another one is refused with what is wrong", async () => {
    await expect(cluster.client.loadModel("other_name")).rejects.toThrow("failed to load 'other_name'");
  });
});

describe("overrides", () => {
  test("a configuration that comes with the call replaces the file's until that changes", async () => {
    await cluster.client.loadModel("sum", { config: { backend: "onnxruntime", instance_group: [{ count: 3, kind: "KIND_CPU" }] } });
    expect(await cluster.client.modelConfig("sum")).toMatchObject({ instance_group: [{ count: 3 }] });
    expect(await eventually(cluster.runnerPids, (pids) => pids.length === 3)).toHaveLength(3);
    expect((await sum("sum")).values).toEqual([11, 22]);
    await cluster.client.loadModel("sum");
    expect(await cluster.client.modelConfig("sum")).toMatchObject({ instance_group: [{ count: 3 }] });
    repository.put("sum", { "config.pbtxt": `${ONE_INSTANCE} # touched` });
    await cluster.client.loadModel("sum");
    expect(await cluster.client.modelConfig("sum")).toMatchObject({ instance_group: [{ count: 1 }] });
  });

  test("files that come with the call make a model that the repository has not, with the versions that they have", async () => {
    await cluster.client.loadModel("uploaded", {
      config: { backend: "onnxruntime", instance_group: [{ count: 1, kind: "KIND_CPU" }] },
      files: { "7/model.onnx": SUM },
    });
    expect(await sum("uploaded")).toEqual({ values: [11, 22], version: "7" });
    await cluster.client.unloadModel("uploaded");
    await expect(sum("uploaded")).rejects.toThrow("Request for unknown model: 'uploaded' has no available versions");
  });

  test("files that come with the call stand for a model that the repository has, until it is loaded without them", async () => {
    const config = { backend: "onnxruntime", instance_group: [{ count: 1, kind: "KIND_CPU" }] };
    const before = cluster.runnerPids();
    await cluster.client.loadModel("replaced", { config, files: { "4/model.onnx": DIFFERENCE } });
    expect(await sum("replaced")).toEqual({ values: [-9, -18], version: "4" });
    await cluster.client.loadModel("replaced");
    expect(await sum("replaced")).toEqual({ values: [11, 22], version: "1" });
    await cluster.client.unloadModel("replaced");
    await eventually(cluster.runnerPids, (pids) => pids.every((pid) => before.includes(pid))); // some of those may have been ending
  });

  test("files without a configuration are refused", async () => {
    await expect(cluster.client.loadModel("sum", { files: { "1/model.onnx": SUM } })).rejects.toThrow(
      "failed to load 'sum', failed to poll",
    );
    expect((await sum("sum")).values).toEqual([11, 22]);
  });

  test("a file that would leave the model's folder is refused", async () => {
    const load = cluster.client.loadModel("sum", { config: { backend: "onnxruntime" }, files: { "../../evil/model.onnx": SUM } });
    await expect(load).rejects.toThrow();
    expect((await sum("sum")).values).toEqual([11, 22]);
  });
});

describe("loads that fail", () => {
  test("say why, in the answer and in the index, leave no process behind, and do no harm to others", async () => {
    const before = cluster.runnerPids();
    await expect(cluster.client.loadModel("damaged")).rejects.toThrow(
      /^load failed for model 'damaged': version 1 is at UNAVAILABLE state: /,
    );
    expect(await rowsOf("damaged")).toMatchObject([
      { version: "1", state: "UNAVAILABLE", reason: expect.stringContaining("no ONNX model") },
    ]);
    expect(await eventually(cluster.runnerPids, (pids) => pids.length === before.length)).toEqual(before);
    expect((await sum("sum")).values).toEqual([11, 22]);
  });

  test("because a warm-up sample fails", async () => {
    await expect(cluster.client.loadModel("cold")).rejects.toThrow(/failed to run warmup sample 'too far': .*out of data bounds/s);
    expect(await cluster.client.isModelReady("cold")).toBe(false);
  });

  test("of a model that serves: what served goes on, and a mended file is taken the next time", async () => {
    await cluster.client.loadModel("sum");
    repository.put("sum", { "1/model.onnx": "broken meanwhile" });
    await expect(cluster.client.loadModel("sum")).rejects.toThrow("load failed for model 'sum'");
    expect((await sum("sum")).values).toEqual([11, 22]);
    expect(await rowsOf("sum")).toEqual([{ name: "sum", version: "1", state: "READY" }]);
    repository.put("sum", { "1/model.onnx": DIFFERENCE });
    await cluster.client.loadModel("sum");
    expect((await sum("sum")).values).toEqual([-9, -18]);
    repository.put("sum", { "1/model.onnx": SUM });
    await cluster.client.loadModel("sum");
    expect((await sum("sum")).values).toEqual([11, 22]);
  });
});

test("a server without explicit control refuses loads in Triton's words", async () => {
  using other = new ModelRepository();
  other.put("same", { "1/model.onnx": identity(), "config.pbtxt": ONE_INSTANCE });
  await using all = await startModelCluster(other.folder, { "--nodes": "1" });
  const text = "explicit model load / unload is not allowed if polling is enabled";
  await expect(all.client.loadModel("same")).rejects.toMatchObject({ status: 503, message: expect.stringContaining(text) });
  await expect(all.client.unloadModel("same")).rejects.toMatchObject({ status: 503, message: expect.stringContaining(text) });
  expect(await all.client.isModelReady("same")).toBe(true);
});
