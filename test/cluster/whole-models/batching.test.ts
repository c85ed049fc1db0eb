/** Requests that come together run together, wait as their policies say, and do not run once nobody wants them. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { InferRequest } from "../../../client/infer-request.ts";
import { tensor } from "../../../client/tensor-input.ts";
import { classifier, identity, ragged, slow } from "../../models/small-models.ts";
import { eventually, type ModelCluster, startModelCluster } from "./model-cluster.ts";
import { ModelRepository } from "./model-repository.ts";

const ONE_INSTANCE = "instance_group { count: 1 kind: KIND_CPU }";
const MINUTE_US = 60_000_000;
const dynamic = (fields: string) => `max_batch_size: 8 ${ONE_INSTANCE} dynamic_batching { ${fields} }`;
const policy = (fields: string) => `default_queue_policy { ${fields} }`;

const RAGGED = ` input { name: "X" data_type: TYPE_FP32 dims: [-1] allow_ragged_batch: true }
  output [ { name: "SO_FAR" data_type: TYPE_FP32 dims: [1] }, { name: "TWICE" data_type: TYPE_FP32 dims: [-1] } ]
  batch_input { kind: BATCH_ACCUMULATED_ELEMENT_COUNT target_name: "ENDS" data_type: TYPE_FP32 source_input: "X" }
  batch_output { kind: BATCH_SCATTER_WITH_INPUT_SHAPE target_name: "TWICE" source_input: "X" }`;

const repository = new ModelRepository();
let cluster: ModelCluster;

beforeAll(async () => {
  const put = (name: string, config: string, model = identity("i32", ["batch", 1])) =>
    repository.put(name, { "1/model.onnx": model, "config.pbtxt": config });
  const fours = `preferred_batch_size: [4] max_queue_delay_microseconds: ${MINUTE_US}`;
  put("fours", dynamic(fours));
  put("left_alone", dynamic(fours));
  put("labeled", `max_batch_size: 8 ${ONE_INSTANCE} output { name: "SCORES" label_filename: "labels.txt" }`, classifier(2, 3));
  repository.put("labeled", { "labels.txt": "cat\ndog\nbird\n" });
  put("two_wait", dynamic(`preferred_batch_size: [4] max_queue_delay_microseconds: 1000000 ${policy("max_queue_size: 2")}`));
  put("impatient", dynamic(`${fours} ${policy("default_timeout_microseconds: 50000")}`));
  put("long", `max_batch_size: 65536 ${ONE_INSTANCE}`, slow(4_000));
  put("ragged", dynamic(`preferred_batch_size: [2] max_queue_delay_microseconds: ${MINUTE_US}`) + RAGGED, ragged());
  cluster = await startModelCluster(repository.folder);
});

afterAll(async () => {
  await cluster?.[Symbol.asyncDispose]();
  repository[Symbol.dispose]();
});

const request = (model: string, values: readonly number[], fields: Partial<InferRequest> = {}): InferRequest => ({
  model,
  inputs: [tensor("INPUT0", "INT32", [values.length, 1], values)],
  ...fields,
});

async function ask(model: string, values: readonly number[]): Promise<readonly number[]> {
  return [...(await cluster.client.infer(request(model, values))).output("OUTPUT0").as("INT32")];
}

describe("dynamic batching", () => {
  test("runs concurrent requests in batches of the preferred size, and each gets its own rows", async () => {
    const answers = await Promise.all(Array.from({ length: 16 }, (_, index) => ask("fours", [index])));
    expect(answers).toEqual(Array.from({ length: 16 }, (_, index) => [index]));
    const told = await cluster.statistics("fours");
    expect([told.inferenceCount, told.executionCount, told.inferenceStats.success.count]).toEqual([16n, 4n, 16n]);
    expect(told.batchStats.map(({ batchSize, computeInfer }) => [batchSize, computeInfer.count])).toEqual([[4n, 4n]]);
  });

  test("counts rows, not requests, towards a batch", async () => {
    const before = await cluster.statistics("fours");
    expect(await Promise.all([ask("fours", [1, 2, 3]), ask("fours", [4])])).toEqual([[1, 2, 3], [4]]);
    const after = await cluster.statistics("fours");
    expect([after.inferenceCount - before.inferenceCount, after.executionCount - before.executionCount]).toEqual([4n, 1n]);
  });
});

test("requests of different lengths share a ragged batch: the model gets them flat with where each ends, and each gets its own part back", async () => {
  const send = async (values: readonly number[]) => {
    const answer = await cluster.client.infer({ model: "ragged", inputs: [tensor("X", "FP32", [1, values.length], values)] });
    return {
      twice: [...answer.output("TWICE").as("FP32")],
      shape: answer.output("TWICE").shape,
      soFar: answer.output("SO_FAR").as("FP32")[0],
    };
  };
  const [long, short] = await Promise.all([send([1, 2, 3]), send([10])]);
  expect([long.twice, long.shape, short.twice, short.shape]).toEqual([[2, 4, 6], [1, 3], [20], [1, 1]]);
  expect([long.soFar, short.soFar].toSorted((a = 0, b = 0) => b - a)[0]).toBe(16); // whichever came second
  expect(await cluster.statistics("ragged")).toMatchObject({ inferenceCount: 2n, executionCount: 1n });
});

describe("queue policies", () => {
  test("a request above the queue's size is refused at once, in Triton's words, and the others are answered", async () => {
    const ids = ["a", "b", "c"];
    const outcomes = await Promise.allSettled(ids.map((id) => cluster.client.infer(request("two_wait", [1], { id }))));
    const refused = outcomes.flatMap((outcome, index) => (outcome.status === "rejected" ? [[ids[index], outcome.reason]] : []));
    expect(refused).toHaveLength(1);
    const [[id, reason] = []] = refused;
    expect(reason).toMatchObject({ status: 503, message: `[request id: ${id}] Exceeds maximum queue size` });
    const { inferenceStats } = await cluster.statistics("two_wait");
    expect([inferenceStats.success.count, inferenceStats.fail.count]).toEqual([2n, 1n]);
  });

  test("a request that waits longer than its policy allows is refused in Triton's words", async () => {
    await expect(ask("impatient", [1])).rejects.toMatchObject({ status: 503, message: "Request timeout expired" });
    expect(await cluster.statistics("impatient")).toMatchObject({ executionCount: 0n, inferenceStats: { fail: { count: 1n } } });
  });
});

describe("a client that leaves", () => {
  /** Resolves when the gauge counts one request of the model. */
  const seen = (gauge: string, model: string) =>
    eventually(cluster.metrics, (text) => new RegExp(`^${gauge}\\{.*model="${model}".*\\} 1$`, "m").test(text));

  test("while its request waits: it is never run", async () => {
    const leaving = new AbortController();
    const left = cluster.client.infer(request("left_alone", [1]), { signal: leaving.signal });
    const refused = expect(left).rejects.toMatchObject({ code: "CANCELLED" });
    await seen("nv_inference_pending_request_count", "left_alone");
    leaving.abort();
    await refused;
    await eventually(
      () => cluster.statistics("left_alone"),
      ({ inferenceStats }) => inferenceStats.fail.count === 1n,
    );
    expect(await ask("left_alone", [1, 2, 3, 4])).toEqual([1, 2, 3, 4]);
    expect(await cluster.statistics("left_alone")).toMatchObject({ executionCount: 1n, inferenceCount: 4n });
  });

  test("while its request runs: the run is ended between two operators, and the instance serves on", async () => {
    const run = (rows: number, signal: AbortSignal) =>
      cluster.client.infer({ model: "long", inputs: [tensor("INPUT0", "FP32", [rows, 16], new Float32Array(rows * 16))] }, { signal });
    const leaving = new AbortController();
    const left = expect(run(65_536, leaving.signal)).rejects.toMatchObject({ code: "CANCELLED" });
    await seen("nereid_inference_running", "long");
    leaving.abort();
    await left;
    await eventually(
      () => cluster.statistics("long"),
      ({ inferenceStats }) => inferenceStats.fail.count === 1n,
    );
    expect((await cluster.statistics("long")).executionCount).toBe(0n);
    expect((await run(1, new AbortController().signal)).output("OUTPUT0").shape).toEqual([1, 16]);
  });
});

describe("classification", () => {
  test("gives the best classes with the labels of the model's file", async () => {
    const X = tensor("X", "FP32", [2, 2], [1, 0, 0, 1]);
    const scores = (await cluster.client.infer({ model: "labeled", inputs: [X] })).output("SCORES").as("FP32");
    const { outputs } = await cluster.client.infer({ model: "labeled", inputs: [X], outputs: [{ name: "SCORES", classes: 2 }] });
    const best = [0, 1].flatMap((row) =>
      ["cat", "dog", "bird"]
        .map((label, index) => ({ label, index, score: scores[row * 3 + index] ?? 0 }))
        .toSorted((a, b) => b.score - a.score)
        .slice(0, 2)
        .map(({ label, index, score }) => `${score.toFixed(6)}:${index}:${label}`),
    );
    expect([outputs[0]?.shape, outputs[0]?.strings()]).toEqual([[2, 2], best]);
  });
});
