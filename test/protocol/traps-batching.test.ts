/** Triton's subtle behaviors of batches and queues (test/golden/traps.md), against `nereid up` with real models whose processes stand still. */
import { afterAll, beforeAll, expect, test } from "vitest";
import type { InferRequest } from "../../client/infer-request.ts";
import { tensor } from "../../client/tensor-input.ts";
import { eventually, type ModelCluster, startModelCluster } from "../cluster/whole-models/model-cluster.ts";
import { ModelRepository } from "../cluster/whole-models/model-repository.ts";
import { identity } from "../models/small-models.ts";
import { HeldModel } from "./held-model.ts";

const ONE = "instance_group { count: 1 kind: KIND_CPU }";
const MINUTE_US = 60_000_000;

const repository = new ModelRepository();
let cluster: ModelCluster;

beforeAll(async () => {
  const put = (name: string, fields: string, rows = 8, group = ONE) =>
    repository.put(name, {
      "1/model.onnx": identity("i32", ["batch", "n"]),
      "config.pbtxt": `max_batch_size: ${rows} ${group} dynamic_batching { ${fields} }`,
    });
  const policy = (fields: string) => `default_queue_policy { ${fields} }`;
  repository.put("probe", { "1/model.onnx": identity("i32", ["batch", "n"]), "config.pbtxt": ONE });
  put("shapes", `preferred_batch_size: [2] max_queue_delay_microseconds: ${MINUTE_US}`);
  put("preferred", "preferred_batch_size: [4, 8]");
  put("below", "preferred_batch_size: [4]");
  put("delayed", "preferred_batch_size: [4] max_queue_delay_microseconds: 500000");
  put("patient", `preferred_batch_size: [4] max_queue_delay_microseconds: ${MINUTE_US}`);
  put("rejects", policy("timeout_action: REJECT default_timeout_microseconds: 50000"));
  put("larger", policy("default_timeout_microseconds: 50000 allow_timeout_override: true"));
  put("no_default", policy("allow_timeout_override: true"));
  put("no_override", policy(`default_timeout_microseconds: ${MINUTE_US}`));
  put("levels", "priority_levels: 3 default_priority_level: 2", 1);
  put("no_levels", "", 1);
  put("ordered", "preserve_ordering: true", 1, "instance_group { count: 2 kind: KIND_CPU }");
  cluster = await startModelCluster(repository.folder, { "--nodes": "1", "--model-control-mode": "explicit" });
  await cluster.client.loadModel("probe");
});

afterAll(async () => {
  await cluster?.[Symbol.asyncDispose]();
  repository[Symbol.dispose]();
});

function send(model: string, values: readonly number[], fields: Partial<InferRequest> = {}): Promise<readonly number[]> {
  const request = { model, inputs: [tensor("INPUT0", "INT32", [1, values.length], values)], ...fields };
  return cluster.client.infer(request).then((result) => [...result.output("OUTPUT0").as("INT32")]);
}

/** What was sent before has reached its queue when later requests to the same node have been answered. */
async function settled(): Promise<void> {
  for (let turn = 0; turn < 3; turn++) await send("probe", [turn]);
}

/** Sends one after the other, so that their order is that of the calls. */
async function queue(model: string, requests: readonly (readonly number[])[]): Promise<readonly Promise<readonly number[]>[]> {
  const sent: Promise<readonly number[]>[] = [];
  for (const values of requests) {
    const answer = send(model, values);
    answer.catch(() => undefined);
    sent.push(answer);
    await settled();
  }
  return sent;
}

/** Rows of the batches that ran, and how often. */
async function batches(model: string): Promise<readonly (readonly [bigint, bigint])[]> {
  const { batchStats } = await cluster.statistics(model);
  return batchStats.map(({ batchSize, computeInfer }) => [batchSize, computeInfer.count]);
}

test("Two requests with different non-ragged shapes → never in one batch; a misfit at the head closes the batch (no reordering).", async () => {
  await cluster.client.loadModel("shapes");
  const sent = await queue("shapes", [
    [1, 1],
    [2, 2, 2],
    [3, 3],
    [4, 4],
  ]);
  expect(await Promise.all(sent)).toEqual([
    [1, 1],
    [2, 2, 2],
    [3, 3],
    [4, 4],
  ]);
  expect(await batches("shapes")).toEqual([
    [1n, 2n],
    [2n, 1n],
  ]);
});

test("preferred [4,8], delay 0, 6 queued → 4 run, 2 remain for the next; preferred [4], max 8, 3 queued → 3 run.", async () => {
  {
    using held = await HeldModel.load(cluster, "preferred");
    const sent = await queue("preferred", [[0], [1], [2], [3], [4], [5], [6]]);
    held.goOn();
    await Promise.all(sent);
    expect(await batches("preferred")).toEqual([
      [1n, 1n],
      [2n, 1n],
      [4n, 1n],
    ]);
  }
  using held = await HeldModel.load(cluster, "below");
  const sent = await queue("below", [[0], [1], [2], [3]]);
  held.goOn();
  await Promise.all(sent);
  expect(await batches("below")).toEqual([
    [1n, 1n],
    [3n, 1n],
  ]);
});

test("Delay 500 ms, 1 request, preferred 4 → starts after 500 ms (±50), not earlier; a 4th arrival → starts it at once.", async () => {
  // That it is not later than it has to be is shown on a clock that stands still: test/unit/node-agent/scheduling.
  await cluster.client.loadModel("delayed");
  await send("delayed", [1]);
  const { inferenceStats } = await cluster.statistics("delayed");
  expect(inferenceStats.queue.ns).toBeGreaterThanOrEqual(499_000_000n);
  await cluster.client.loadModel("patient");
  const three = await queue("patient", [[1], [2], [3]]);
  expect(await batches("patient")).toEqual([]);
  expect(await send("patient", [4])).toEqual([4]);
  expect(await Promise.all(three)).toEqual([[1], [2], [3]]);
  expect(await batches("patient")).toEqual([[4n, 1n]]);
});

test("REJECT timeout → reported while the instance is still busy.", async () => {
  using held = await HeldModel.load(cluster, "rejects");
  const [busy] = await queue("rejects", [[1]]);
  await expect(send("rejects", [2])).rejects.toMatchObject({ status: 503, message: "Request timeout expired" });
  expect(await batches("rejects")).toEqual([]);
  held.goOn();
  expect(await busy).toEqual([1]);
});

test("Timeout override larger than the default, or with default 0, or without `allow_timeout_override` → ignored.", async () => {
  for (const [model, queueTimeoutUs, isRejected] of [
    ["larger", MINUTE_US, true],
    ["no_default", 1_000, false],
    ["no_override", 1_000, false],
  ] as const) {
    using held = await HeldModel.load(cluster, model);
    const [busy] = await queue(model, [[1]]);
    const waiting = send(model, [2], { queueTimeoutUs });
    if (isRejected) await expect(waiting, model).rejects.toThrow("Request timeout expired");
    else await settled();
    held.goOn();
    expect(await busy).toEqual([1]);
    if (!isRejected) expect(await waiting, model).toEqual([2]);
  }
});

test("Priority 0 → default level; priority above the levels → default level; level 1 before level 2 always; ignored without levels.", async () => {
  const order = async (model: string): Promise<readonly string[]> => {
    using held = await HeldModel.load(cluster, model);
    const answered: string[] = [];
    const sent: Promise<unknown>[] = [send(model, [0])];
    await settled();
    for (const [name, priority] of [
      ["third", 3],
      ["zero", 0],
      ["above", 99],
      ["second", 2],
      ["first", 1],
    ] as const) {
      sent.push(send(model, [1], { priority }).then(() => answered.push(name)));
      await settled();
    }
    // One at a time: answers of several runs may overtake each other on their way.
    held.goOn();
    await Promise.all(sent);
    return answered;
  };
  expect(await order("levels")).toEqual(["first", "zero", "above", "second", "third"]);
  expect(await order("no_levels")).toEqual(["third", "zero", "above", "second", "first"]);
});

test("`preserve_ordering` with 2 instances → the fast second request waits for the slow first.", async () => {
  using held = await HeldModel.load(cluster, "ordered", 2);
  const answeredEarly: number[] = [];
  for (const [turn, pid] of held.pids.entries()) {
    held.stop();
    const answered: number[] = [];
    const sent: Promise<unknown>[] = [];
    for (const value of [1, 2]) {
      sent.push(send("ordered", [value]).then(() => answered.push(value)));
      await settled();
    }
    held.goOn([pid]);
    await eventually(
      () => cluster.statistics("ordered"),
      ({ executionCount }) => executionCount === BigInt(2 * turn + 1),
    );
    await settled();
    answeredEarly.push(answered.length);
    held.goOn();
    await Promise.all(sent);
    expect(answered).toEqual([1, 2]);
  }
  expect(answeredEarly.toSorted()).toEqual([0, 1]);
});
