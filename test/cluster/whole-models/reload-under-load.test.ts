/** A reload while clients ask: nobody notices but by the answers, each of which is wholly the old version's or the new one's. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { tensor } from "../../../client/tensor-input.ts";
import { OnnxModel } from "../../models/onnx-model.ts";
import { eventually, type ModelCluster, startModelCluster } from "./model-cluster.ts";
import { ModelRepository } from "./model-repository.ts";

const CLIENTS = 8;
const LARGE = 40_000;

/** A = INPUT + `add`, B = INPUT - `add`: an answer whose halves do not agree is of two loads. */
function offset(add: number): Uint8Array {
  return new OnnxModel()
    .input("INPUT", "i32", ["batch", "length"])
    .output("A", "i32", ["batch", "length"])
    .output("B", "i32", ["batch", "length"])
    .constant("ADD", [1], Int32Array.of(add))
    .node({ op: "Add", inputs: ["INPUT", "ADD"], outputs: ["A"] })
    .node({ op: "Sub", inputs: ["INPUT", "ADD"], outputs: ["B"] })
    .finish();
}

const CONFIG = "max_batch_size: 16 dynamic_batching { } instance_group { count: 2 kind: KIND_CPU }";
const repository = new ModelRepository().put("offset", { "1/model.onnx": offset(1), "config.pbtxt": CONFIG });
let cluster: ModelCluster;

beforeAll(async () => {
  cluster = await startModelCluster(repository.folder, { "--model-control-mode": "explicit" });
  await cluster.client.loadModel("offset");
});

afterAll(async () => {
  await cluster?.[Symbol.asyncDispose]();
  repository[Symbol.dispose]();
});

/** What was added; NaN when the answer does not fit together. Large inputs take another way to the node than small ones. */
async function added(length: number): Promise<number> {
  const values = Int32Array.from({ length }, (_, index) => index);
  const result = await cluster.client.infer({ model: "offset", inputs: [tensor("INPUT", "INT32", [1, length], values)] });
  const [a, b] = [result.output("A").as("INT32"), result.output("B").as("INT32")];
  const add = a[0] ?? Number.NaN;
  return a.every((value, index) => value === index + add) && b.every((value, index) => value === index - add) ? add : Number.NaN;
}

/** Asks without pause until told to stop. @returns what came, in order */
async function keepAsking(length: number, going: { on: boolean }): Promise<readonly number[]> {
  const answers: number[] = [];
  while (going.on) answers.push(await added(length));
  return answers;
}

test("drops no request, mixes no answer, and never goes back to the old one", async () => {
  const going = { on: true };
  const clients = Array.from({ length: CLIENTS }, (_, client) => keepAsking(client % 4 === 0 ? LARGE : 4, going));
  const all = Promise.all(clients);
  all.catch(() => {}); // awaited below
  for (const add of [2, 3, 4, 5]) {
    repository.put("offset", { "1/model.onnx": offset(add) });
    await cluster.client.loadModel("offset");
    expect(await added(4), "the answer to a load says that the new one serves").toBe(add);
  }
  going.on = false;
  for (const answers of await all) {
    expect(answers).toEqual(answers.toSorted((a, b) => a - b));
    expect([...new Set(answers)].filter((add) => ![1, 2, 3, 4, 5].includes(add))).toEqual([]);
  }
  expect((await all).flat().length).toBeGreaterThan(4 * CLIENTS);
  expect(await eventually(cluster.runnerPids, (pids) => pids.length === 2)).toHaveLength(2);
});

test("R48: hundreds of loads, unloads and requests at a time leave a model that is whole, and each answer is of one load", async () => {
  const outcomes = await Promise.allSettled(
    Array.from({ length: 300 }, async (_, index) => {
      if (index % 10 === 0) repository.put("offset", { "1/model.onnx": offset(5 + (index % 3)) });
      if (index % 5 === 0) return await cluster.client.loadModel("offset");
      if (index % 5 === 1) return await cluster.client.unloadModel("offset");
      return await added(4);
    }),
  );
  const answers = outcomes.flatMap((outcome) => (outcome.status === "fulfilled" && outcome.value !== undefined ? [outcome.value] : []));
  expect([...new Set(answers)].filter((add) => ![5, 6, 7].includes(add))).toEqual([]);
  const refusals = outcomes.flatMap((outcome) => (outcome.status === "rejected" ? [String(outcome.reason)] : []));
  expect(refusals.filter((why) => !/unknown model|unload|not at ready state|failed to load|load failed/i.test(why))).toEqual([]);
  repository.put("offset", { "1/model.onnx": offset(5) });
  await cluster.client.loadModel("offset");
  expect(await added(4)).toBe(5);
  expect(await eventually(cluster.runnerPids, (pids) => pids.length === 2)).toHaveLength(2);
});

test("that fails is not noticed at all", async () => {
  const going = { on: true };
  const all = Promise.all(Array.from({ length: CLIENTS }, () => keepAsking(4, going)));
  all.catch(() => {});
  repository.put("offset", { "1/model.onnx": offset(6).subarray(0, 100) });
  await expect(cluster.client.loadModel("offset")).rejects.toThrow("load failed for model 'offset'");
  going.on = false;
  expect([...new Set((await all).flat())]).toEqual([5]);
});
