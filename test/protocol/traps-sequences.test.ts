/** Triton's subtle behaviors of sequences (test/golden/traps.md), against `nereid up` with real models. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { GrpcClient } from "../../client/grpc/grpc-client.ts";
import type { InferRequest, SequenceStep } from "../../client/infer-request.ts";
import { tensor } from "../../client/tensor-input.ts";
import { eventually, type ModelCluster, startModelCluster } from "../cluster/whole-models/model-cluster.ts";
import { ModelRepository } from "../cluster/whole-models/model-repository.ts";
import { accumulate, rowCounts } from "../models/small-models.ts";

const ONE = "instance_group { count: 1 kind: KIND_CPU }";
const control = (name: string, kind: string, values: string) =>
  `control_input { name: "${name}" control [ { kind: CONTROL_SEQUENCE_${kind} ${values} } ] }`;
const FLAG = "int32_false_true: [0, 1]";
const READY = control("READY", "READY", FLAG);
const STATE = `state { input_name: "INPUT_STATE" output_name: "OUTPUT_STATE" data_type: TYPE_INT32 dims: [1] }`;
const controls = (corrid: string) =>
  `${control("START", "START", FLAG)} ${READY} ${control("END", "END", FLAG)} ${control("CORRID", "CORRID", `data_type: ${corrid}`)} ${STATE}`;
const LONG = "max_sequence_idle_microseconds: 60000000";

const repository = new ModelRepository();
let cluster: ModelCluster;
let grpc: GrpcClient;

beforeAll(async () => {
  const put = (name: string, model: Uint8Array, batching: string, rows = 4) =>
    repository.put(name, { "1/model.onnx": model, "config.pbtxt": `max_batch_size: ${rows} ${ONE} sequence_batching { ${batching} }` });
  put("adding", accumulate(), `${LONG} direct { } ${controls("TYPE_UINT64")}`);
  put("narrow", accumulate("u32"), `${LONG} direct { } ${controls("TYPE_UINT32")}`);
  put("single", accumulate(), `${LONG} direct { } ${controls("TYPE_UINT64")}`, 1);
  put("hasty", accumulate(), `max_sequence_idle_microseconds: 1000 direct { } ${controls("TYPE_UINT64")}`);
  put("direct_rows", rowCounts(), `${LONG} direct { max_queue_delay_microseconds: 60000000 minimum_slot_utilization: 0.5 } ${READY}`);
  put("oldest_rows", rowCounts(), `${LONG} oldest { max_candidate_sequences: 4 } ${READY}`);
  put("any_id", rowCounts(), `${LONG} direct { } ${READY}`);
  cluster = await startModelCluster(repository.folder, { "--nodes": "1" });
  grpc = new GrpcClient(cluster.grpcAddress);
});

afterAll(async () => {
  await grpc?.close();
  await cluster?.[Symbol.asyncDispose]();
  repository[Symbol.dispose]();
});

const START = { start: true };
const END = { end: true };
const ALL = { start: true, end: true };

const request = (model: string, sequence: SequenceStep, values: readonly number[] = [1]): InferRequest => ({
  model,
  inputs: [tensor("INPUT", "INT32", [values.length, 1], values)],
  sequence,
});

/** One number of an answer. */
async function step(model: string, sequence: SequenceStep, output: string, signal?: AbortSignal): Promise<number> {
  const result = await cluster.client.infer(request(model, sequence), signal === undefined ? {} : { signal });
  return Number(Array.from<unknown>(result.output(output).data)[0]);
}

test('Missing START on an unknown id → 400 with the START text; id 0 or "" → the correlation-ID text; batch 2 → the batch-size-1 text.', async () => {
  const refused = (sequence: SequenceStep, values?: readonly number[]) =>
    cluster.client.infer(request("adding", sequence, values)).catch(String);
  expect(await refused({ id: 5n })).toContain(
    "inference request for sequence 5 to model 'adding' must specify the START flag on the first request of the sequence",
  );
  const noId = "inference request to model 'adding' must specify a non-zero or non-empty correlation ID";
  expect(await refused({ id: 0n, start: true })).toContain(noId);
  expect(await refused({ id: "", start: true })).toContain(noId);
  expect(await refused({ id: 5n, start: true }, [1, 2])).toContain(
    "inference request to model 'adding' must specify batch-size 1 due to requirements of sequence batcher",
  );
  await expect(cluster.client.infer(request("adding", { id: 5n }))).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
});

test("START on a live id → restarts it (no error).", async () => {
  expect(await step("adding", { id: 6n, ...START }, "OUTPUT")).toBe(1);
  expect(await step("adding", { id: 6n }, "OUTPUT")).toBe(2);
  expect(await step("adding", { id: 6n, ...START }, "OUTPUT")).toBe(1);
  expect(await step("adding", { id: 6n, ...END }, "OUTPUT")).toBe(2);
});

test("Direct strategy, 4 rows, rows 0 and 2 active → batch of 3 with a null row 1 (READY=false) that does not count in statistics.", async () => {
  /** Two run as soon as both are there; on a stream, so that rows are taken in this order. */
  const both = async (...steps: readonly SequenceStep[]) => {
    await using stream = await grpc.openStream();
    for (const sequence of steps) await stream.send(request("direct_rows", sequence));
    stream.end();
    const seen: (readonly unknown[])[] = [];
    for await (const item of stream) {
      if (item.kind === "failure") throw item.error;
      const { result } = item;
      seen.push(["ROWS", "READY_ROWS"].map((name) => result.output(name).as("INT32")[0]));
    }
    return seen;
  };
  await both({ id: 1n, ...START }, { id: 2n, ...START });
  await both({ id: 3n, ...START }, { id: 2n, ...END });
  const before = await cluster.statistics("direct_rows");
  expect(await both({ id: 1n }, { id: 3n })).toEqual([
    [3, 2],
    [3, 2],
  ]);
  const after = await cluster.statistics("direct_rows");
  expect([after.inferenceCount - before.inferenceCount, after.executionCount - before.executionCount]).toEqual([2n, 1n]);
});

test("Oldest strategy → never two requests of a sequence in one batch; per-sequence order holds under load.", async () => {
  await using stream = await grpc.openStream();
  const [ids, steps] = [[1n, 2n, 3n], 30];
  const sent = (async () => {
    for (let index = 0; index < steps; index++)
      for (const id of ids) {
        const flags = { start: index === 0, end: index === steps - 1 };
        await stream.send({ ...request("oldest_rows", { id, ...flags }), id: `${id} ${index}` });
      }
    stream.end();
  })();
  const order: string[] = [];
  for await (const item of stream) {
    if (item.kind === "failure") throw item.error;
    order.push(item.result.id);
    expect(item.result.output("ROWS").as("INT32")[0]).toBeLessThanOrEqual(ids.length);
  }
  await sent;
  for (const id of ids) {
    const own = order.filter((one) => one.startsWith(`${id} `));
    expect(own).toEqual(Array.from({ length: steps }, (_, index) => `${id} ${index}`));
  }
});

test('String id "1" and integer id 1 → two different sequences; a CORRID control of UINT32 → receives the low 32 bits.', async () => {
  expect(await step("any_id", { id: 1n, ...START }, "ROWS")).toBe(1);
  await expect(cluster.client.infer(request("any_id", { id: "1" }))).rejects.toThrow("must specify the START flag");
  expect(await step("any_id", { id: "1", ...START }, "ROWS")).toBe(2);
  expect(await step("narrow", { id: 2n ** 40n + 9n, ...ALL }, "CORRID_SEEN")).toBe(9);
});

test("Implicit state → resets at START even if the earlier sequence with the same id ended abnormally (cancel, idle, error).", async () => {
  expect(await step("hasty", { id: 1n, ...START }, "OUTPUT")).toBe(1);
  await eventually(
    () => step("hasty", { id: 1n }, "OUTPUT").catch(String),
    (answer) => typeof answer === "string" && answer.includes("must specify the START flag"),
  );
  expect(await step("hasty", { id: 1n, ...START }, "OUTPUT")).toBe(1);
  // One row: the second sequence waits in the backlog, where its only request is canceled.
  expect(await step("single", { id: 1n, ...START }, "OUTPUT")).toBe(1);
  const gone = new AbortController();
  const waiting = step("single", { id: 2n, ...START }, "OUTPUT", gone.signal).catch(() => "gone");
  expect(await step("single", { id: 1n }, "OUTPUT")).toBe(2);
  gone.abort();
  expect(await waiting).toBe("gone");
  const fresh = step("single", { id: 2n, ...START }, "OUTPUT");
  expect(await step("single", { id: 1n, ...END }, "OUTPUT")).toBe(3);
  expect(await fresh).toBe(1);
});
