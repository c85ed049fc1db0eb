/** Triton's subtle behaviors of the repository, the cache, ensembles and settings (test/golden/traps.md), against `nereid up` with real models. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { GrpcClient } from "../../client/grpc/grpc-client.ts";
import { HttpClient } from "../../client/http/http-client.ts";
import { tensor } from "../../client/tensor-input.ts";
import { eventually, type ModelCluster, startModelCluster } from "../cluster/whole-models/model-cluster.ts";
import { ModelRepository } from "../cluster/whole-models/model-repository.ts";
import { OnnxModel } from "../models/onnx-model.ts";
import { identity } from "../models/small-models.ts";
import { HeldModel } from "./held-model.ts";

const ONE = "instance_group { count: 1 kind: KIND_CPU }";
const ALL = "version_policy { all { } }";
/** OUTPUT0 = INPUT0 + INPUT0, of the same shape as `identity`. */
const DOUBLE = new OnnxModel()
  .input("INPUT0", "i32", ["batch", "length"])
  .output("OUTPUT0", "i32", ["batch", "length"])
  .node({ op: "Add", inputs: ["INPUT0", "INPUT0"], outputs: ["OUTPUT0"] })
  .finish();
const SAME = identity("i32", ["batch", "length"]);

const repository = new ModelRepository();
let cluster: ModelCluster;

beforeAll(async () => {
  const put = (name: string, config = ONE, file = SAME) => repository.put(name, { "1/model.onnx": file, "config.pbtxt": config });
  put("plain");
  put("unloaded");
  put("overridden");
  put("versions", `${ONE} ${ALL}`).put("versions", { "2/model.onnx": SAME });
  put("cached", `${ONE} response_cache { enable: true }`);
  put("cached_decoupled", `${ONE} response_cache { enable: true } model_transaction_policy { decoupled: true }`);
  put("cached_sequence", `${ONE} max_batch_size: 1 response_cache { enable: true } sequence_batching { }`);
  put("odd_folders", `${ONE} ${ALL}`).put("odd_folders", { "01/model.onnx": SAME, "abc/model.onnx": SAME });
  put("specific", `${ONE} version_policy { specific { versions: [1, 3] } }`).put("specific", { "2/model.onnx": SAME });
  put("damaged").put("damaged", { "1/model.onnx": "no model" });
  const flags = { "--nodes": "1", "--model-control-mode": "explicit", "--response-cache-bytes": "1M" };
  cluster = await startModelCluster(repository.folder, flags);
});

afterAll(async () => {
  await cluster?.[Symbol.asyncDispose]();
  repository[Symbol.dispose]();
});

async function ask(model: string, values: readonly number[], shape = [1, values.length], version?: string): Promise<readonly number[]> {
  const inputs = [tensor("INPUT0", "INT32", shape, values)];
  const result = await cluster.client.infer({ model, inputs, ...(version !== undefined && { version }) });
  return [...result.output("OUTPUT0").as("INT32")];
}

const rowsOf = async (model: string) => (await cluster.client.repositoryIndex()).filter(({ name }) => name === model);

async function counts(model: string) {
  const { inferenceCount, executionCount, inferenceStats } = await cluster.statistics(model);
  const { success, cacheHit, cacheMiss } = inferenceStats;
  return [success.count, inferenceCount, executionCount, cacheHit.count, cacheMiss.count].map(Number);
}

test("Cache hit → success +1, inference_count +0, execution_count +0, cache_hit +1. In Triton a request with other requested outputs or parameters hits the same key (mimic or fix, but state it); the same bytes with another shape also hit; a reload of the same version with new weights still hits (fix this one).", async () => {
  await cluster.client.loadModel("cached");
  expect(await ask("cached", [1, 2])).toEqual([1, 2]);
  expect(await counts("cached")).toEqual([1, 1, 1, 0, 1]);
  expect(await ask("cached", [1, 2])).toEqual([1, 2]);
  expect(await counts("cached")).toEqual([2, 1, 1, 1, 1]);
  // Fixed, as COMPATIBILITY.md states: other outputs, parameters and shapes are other requests.
  const inputs = [tensor("INPUT0", "INT32", [1, 2], [1, 2])];
  await cluster.client.infer({ model: "cached", inputs, parameters: { mine: 1 } });
  await cluster.client.infer({ model: "cached", inputs, outputs: ["OUTPUT0"] });
  await ask("cached", [1, 2], [2, 1]);
  expect((await counts("cached"))[3]).toBe(1);
  repository.put("cached", { "1/model.onnx": DOUBLE });
  await cluster.client.loadModel("cached");
  expect(await ask("cached", [1, 2])).toEqual([2, 4]);
});

test("Response cache with sequence batching or decoupled → load error, not silence.", async () => {
  await expect(cluster.client.loadModel("cached_decoupled")).rejects.toThrow("failed to load");
  await expect(cluster.client.loadModel("cached_sequence")).rejects.toThrow("failed to load");
});

test("load twice without changes → 200 and no reload (instance processes and load metric unchanged); touching one version's file → reloads only that version.", async () => {
  await cluster.client.loadModel("versions");
  const ofVersion = (metrics: string, version: string) =>
    /.* (\S+)/.exec(
      metrics.split("\n").find((line) => line.startsWith(`nv_model_load_duration_secs{model="versions",version="${version}"`)) ?? "",
    )?.[1];
  const loadTimes = async () => {
    const metrics = await cluster.metrics();
    return [ofVersion(metrics, "1"), ofVersion(metrics, "2")];
  };
  const [pids, times] = [cluster.runnerPids(), await loadTimes()];
  expect(times).toEqual([expect.stringMatching(/^[0-9.e-]+$/), expect.stringMatching(/^[0-9.e-]+$/)]);
  await cluster.client.loadModel("versions");
  expect([cluster.runnerPids(), await loadTimes()]).toEqual([pids, times]);
  repository.put("versions", { "2/model.onnx": DOUBLE });
  await cluster.client.loadModel("versions");
  expect([await ask("versions", [3], [1, 1], "1"), await ask("versions", [3], [1, 1], "2")]).toEqual([[3], [6]]);
  const after = await eventually(cluster.runnerPids, (now) => now.length === pids.length);
  expect(after.filter((pid) => !pids.includes(pid))).toHaveLength(1);
  expect((await loadTimes())[0]).toBe(times[0]);
});

test("Configuration override → survives a plain load, vanishes after the configuration file changes. File override without `config` → error.", async () => {
  const count = async () => ((await cluster.client.modelConfig("overridden"))["instance_group"] as readonly { count: number }[])[0]?.count;
  await cluster.client.loadModel("overridden", { config: { backend: "onnxruntime", instance_group: [{ count: 2, kind: "KIND_CPU" }] } });
  expect(await count()).toBe(2);
  await cluster.client.loadModel("overridden");
  expect(await count()).toBe(2);
  repository.put("overridden", { "config.pbtxt": `${ONE} # changed` });
  await cluster.client.loadModel("overridden");
  expect(await count()).toBe(1);
  await expect(cluster.client.loadModel("overridden", { files: { "1/model.onnx": SAME } })).rejects.toThrow();
});

test("Unload → returns before in-flight requests end; they complete; the index then shows `UNAVAILABLE` with reason `unloaded`; server readiness stays 200.", async () => {
  using held = await HeldModel.load(cluster, "unloaded");
  await cluster.client.loadModel("plain");
  const answer = ask("unloaded", [5]);
  for (let turn = 0; turn < 3; turn++) await ask("plain", [turn]); // by then the other one is there
  await cluster.client.unloadModel("unloaded");
  held.goOn();
  expect(await answer).toEqual([5]);
  expect(
    await eventually(
      () => rowsOf("unloaded"),
      ([row]) => row?.state === "UNAVAILABLE",
    ),
  ).toMatchObject([{ reason: "unloaded" }]);
  expect((await fetch(`${cluster.url}/v2/health/ready`)).status).toBe(200);
});

test("Version directories `01` and `abc` → ignored; `version_policy specific [1,3]` with 3 missing → serves 1 only.", async () => {
  await cluster.client.loadModel("odd_folders");
  expect((await cluster.client.modelMetadata("odd_folders")).versions).toEqual(["1"]);
  await cluster.client.loadModel("specific");
  expect((await cluster.client.modelMetadata("specific")).versions).toEqual(["1"]);
});

test("Log-level change by API → immediate and returned in full; `log_file` by API → 501.", async () => {
  const post = (body: unknown) => fetch(`${cluster.url}/v2/logging`, { method: "POST", body: JSON.stringify(body) });
  const changed = await post({ log_verbose_level: 2, log_info: false, log_error: true, log_warning: true });
  const wanted = { log_file: "", log_info: false, log_warning: true, log_error: true, log_verbose_level: 2, log_format: "default" };
  expect([changed.status, await changed.json()]).toEqual([200, wanted]);
  expect(await (await fetch(`${cluster.url}/v2/logging`)).json()).toEqual(wanted);
  expect((await post({ log_file: "/tmp/x" })).status).toBe(501);
});

test("A request to a restricted category without its header → 403 (HTTP) or UNAVAILABLE (gRPC), for paths with and without a version.", async () => {
  using other = new ModelRepository();
  other.put("plain", { "1/model.onnx": SAME, "config.pbtxt": ONE });
  const flags = { "--nodes": "1", "--http-restricted-api": "inference:key=secret", "--grpc-restricted-protocol": "inference:key=secret" };
  await using restricted = await startModelCluster(other.folder, flags);
  const request = { model: "plain", inputs: [tensor("INPUT0", "INT32", [1, 1], [1])] };
  for (const version of [{}, { version: "1" }]) {
    await using http = new HttpClient(restricted.url);
    await using grpc = new GrpcClient(restricted.grpcAddress);
    await expect(http.infer({ ...request, ...version })).rejects.toMatchObject({
      status: 403,
      message: "This API is restricted, expecting header 'key'",
    });
    await expect(grpc.infer({ ...request, ...version })).rejects.toMatchObject({
      code: "UNAVAILABLE",
      message: "This protocol is restricted, expecting header 'triton-grpc-protocol-key'",
    });
    expect((await http.infer({ ...request, ...version }, { headers: { key: "secret" } })).model).toBe("plain");
    expect((await grpc.infer({ ...request, ...version }, { headers: { "triton-grpc-protocol-key": "secret" } })).model).toBe("plain");
  }
});

test("Load in mode none → 503 (not 400 or 501).", async () => {
  using other = new ModelRepository();
  other.put("plain", { "1/model.onnx": SAME, "config.pbtxt": ONE });
  await using none = await startModelCluster(other.folder, { "--nodes": "1" });
  await expect(none.client.loadModel("plain")).rejects.toMatchObject({ status: 503 });
});

test("Model with no usable version → blocks strict readiness.", async () => {
  expect(await cluster.client.isReady()).toBe(true);
  await expect(cluster.client.loadModel("damaged")).rejects.toThrow("load failed");
  expect(await cluster.client.isReady()).toBe(false);
  await cluster.client.unloadModel("damaged");
  expect(await cluster.client.isReady()).toBe(true);
});
