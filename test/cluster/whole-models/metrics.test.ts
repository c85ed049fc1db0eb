/** What /metrics says of whole models is exact, whatever runs beside, and never goes back. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { tensor } from "../../../client/tensor-input.ts";
import { identity } from "../../models/small-models.ts";
import { eventually, type ModelCluster, startModelCluster } from "./model-cluster.ts";
import { ModelRepository } from "./model-repository.ts";

const REQUESTS = 200;

const repository = new ModelRepository();
let cluster: ModelCluster;

beforeAll(async () => {
  const put = (name: string, config: string) =>
    repository.put(name, { "1/model.onnx": identity("i32", ["batch", 1]), "config.pbtxt": `max_batch_size: 8 ${config}` });
  put("counted", 'dynamic_batching { } metric_tags { key: "team" value: "blue" }');
  put("cached", "dynamic_batching { } response_cache { enable: true }");
  cluster = await startModelCluster(repository.folder, {
    "--response-cache-bytes": "1M",
    "--metrics-config": "summary_latencies=true",
    "--model-control-mode": "explicit",
  });
  for (const model of ["counted", "cached"]) await cluster.client.loadModel(model);
});

afterAll(async () => {
  await cluster?.[Symbol.asyncDispose]();
  repository[Symbol.dispose]();
});

const ask = (model: string, value: number, columns = 1) =>
  cluster.client.infer({ model, inputs: [tensor("INPUT0", "INT32", [1, columns], new Int32Array(columns).fill(value))] });

/** The value of a series of `model`; undefined: it is not there. */
function seriesValue(text: string, name: string, model: string, labels: Readonly<Record<string, string>> = {}): number | undefined {
  const wanted = Object.entries({ model, ...labels }).map(([label, value]) => `${label}="${value}"`);
  const line = text.split("\n").find((one) => one.startsWith(`${name}{`) && wanted.every((pair) => one.includes(pair)));
  return line === undefined ? undefined : Number(line.split(" ").at(-1));
}

describe("after many requests at once", () => {
  test("each is counted once, in the counters, in every stage's histogram and in the batches", async () => {
    await Promise.all(Array.from({ length: REQUESTS }, (_, index) => ask("counted", index)));
    const text = await cluster.metrics();
    const value = (name: string, labels = {}) => seriesValue(text, name, "counted", { _team: "blue", ...labels });
    expect(value("nv_inference_request_success")).toBe(REQUESTS);
    expect(value("nv_inference_count")).toBe(REQUESTS);
    for (const reason of ["REJECTED", "CANCELED", "BACKEND", "OTHER"]) expect(value("nv_inference_request_failure", { reason })).toBe(0);
    for (const stage of ["request", "queue", "compute_input", "compute_infer", "compute_output"]) {
      expect(value("nereid_inference_seconds_count", { stage })).toBe(REQUESTS);
      expect(value("nereid_inference_seconds_bucket", { stage, le: "+Inf" })).toBe(REQUESTS);
    }
    expect(value("nereid_batch_size_sum")).toBe(REQUESTS);
    expect(value("nereid_batch_size_count")).toBe(value("nv_inference_exec_count"));
    expect(value("nv_inference_pending_request_count")).toBe(0);
    expect(value("nv_inference_queue_summary_us_count")).toBe(REQUESTS);
    expect(value("nereid_model_resident_bytes")).toBeGreaterThan(1_000_000);
    expect(value("nv_model_load_duration_secs")).toBeGreaterThan(0);
  });

  test("what failed is counted by its reason, and what the cache answered as a hit", async () => {
    await ask("cached", 7);
    await Promise.all(Array.from({ length: REQUESTS }, () => ask("cached", 7)));
    const text = await cluster.metrics();
    expect(seriesValue(text, "nv_inference_request_success", "cached")).toBe(REQUESTS + 1);
    expect(seriesValue(text, "nv_cache_num_hits_per_model", "cached")).toBe(REQUESTS);
    expect(seriesValue(text, "nv_cache_num_misses_per_model", "cached")).toBe(1);
    expect(seriesValue(text, "nv_inference_count", "cached")).toBe(1);
    expect(text).toMatch(new RegExp(`^nv_cache_num_hits ${REQUESTS}$`, "m"));
    expect(text).not.toContain('nv_inference_request_summary_us{model="cached"');
  });
});

test("counters go on where they were when the model is loaded again under load, and no request is lost", async () => {
  const before = seriesValue(await cluster.metrics(), "nv_inference_request_success", "counted") ?? 0;
  const running = cluster.runnerPids().length;
  repository.put("counted", { "1/model.onnx": identity("i32", ["batch", 1]), "config.pbtxt": "max_batch_size: 4 dynamic_batching { }" });
  const asked = Array.from({ length: REQUESTS }, (_, index) => ask("counted", index));
  await cluster.client.loadModel("counted");
  asked.push(...Array.from({ length: REQUESTS }, (_, index) => ask("counted", index)));
  await Promise.all(asked);
  const all = before + 2 * REQUESTS;
  const told = async () => seriesValue(await cluster.metrics(), "nv_inference_request_success", "counted");
  expect(await told()).toBe(all);
  await eventually(
    () => cluster.runnerPids().length,
    (count) => count === running,
  ); // the old load is gone
  expect(await told()).toBe(all);
});

test("statistics tell the memory of the model's processes", async () => {
  const told = await (await fetch(`${cluster.url}/v2/models/cached/stats`)).json();
  expect(told).toMatchObject({ model_stats: [{ memory_usage: [{ type: "CPU", id: 0, byte_size: expect.any(Number) }] }] });
});
