/** Sequences over two nodes with real processes: every step is applied once, in order, whatever becomes of the nodes. */
import { afterEach, expect, test } from "vitest";
import { seededRandom } from "../../../core/random.ts";
import { turns } from "../../support/fake-clock.ts";
import { startTwoNodes, type TwoNodes } from "./two-nodes.ts";

let nodes: TwoNodes | undefined;
afterEach(async () => {
  await nodes?.[Symbol.asyncDispose]();
  nodes = undefined;
});

const SEED = 20_261_123n;

/** Sums of 1 to `steps` times the id, as they must come. */
const sums = (id: number, steps: number) => Array.from({ length: steps }, (_, index) => ((index + 1) * (index + 2) * id) / 2);

test.each([
  ["direct { }", { kind: "none" }],
  ["oldest { max_candidate_sequences: 300 }", { kind: "sync" }],
] as const)(
  "a thousand sequences at random on two nodes with %s: every step is applied once and in order",
  async (batching, durability) => {
    const world = await startTwoNodes(`max_sequence_idle_microseconds: 60000000 ${batching}`, durability);
    nodes = world;
    const random = seededRandom(SEED);
    const left = new Map(Array.from({ length: 1000 }, (_, index) => [index + 1, { done: 0, steps: 2 + Math.floor(random.next() * 4) }]));
    const answers = new Map<number, Promise<number>[]>([...left.keys()].map((id) => [id, []]));
    while (left.size > 0) {
      const ids = [...left.keys()];
      const id = ids[Math.floor(random.next() * Math.min(ids.length, 400))] ?? 0;
      const sequence = left.get(id);
      if (sequence === undefined) continue;
      sequence.done += 1;
      const isLast = sequence.done === sequence.steps;
      if (isLast) left.delete(id);
      const flags = `${sequence.done === 1 ? "S" : ""}${isLast ? "E" : ""}`;
      answers.get(id)?.push(world.step(0, BigInt(id), sequence.done * id, flags));
      if (random.next() < 0.05) await turns(1); // answers come meanwhile
    }
    for (const [id, sent] of answers) {
      const got = await Promise.all(sent);
      expect(got, `sequence ${id}, seed ${SEED}`).toEqual(sums(id, got.length));
    }
  },
);

test("both gateways send a sequence to the same node, whichever begins it", async () => {
  nodes = await startTwoNodes("direct { }", { kind: "none" });
  for (let id = 1n; id <= 40n; id++) {
    const begins = Number(id % 2n);
    expect(await nodes.step(begins, id, 1, "S")).toBe(1);
    expect(await nodes.step(1 - begins, id, 1)).toBe(2);
    expect(await nodes.step(begins, id, 1, "E")).toBe(3);
  }
});

test("when a node dies in the middle, every sequence goes on exactly, and the client sees a pause", async () => {
  const world = await startTwoNodes("max_sequence_idle_microseconds: 60000000 oldest { max_candidate_sequences: 100 }", { kind: "sync" });
  nodes = world;
  const ids = Array.from({ length: 60 }, (_, index) => index + 1);
  let answered = 0;
  const run = async (id: number) => {
    const got: number[] = [];
    for (let step = 1; step <= 12; step++) {
      got.push(await world.step(id % 2, BigInt(id), step * id, step === 1 ? "S" : step === 12 ? "E" : ""));
      answered += 1;
      if (answered === 300) world.isolate(0);
    }
    return got;
  };
  const all = await Promise.all(ids.map(run));
  for (const [index, got] of all.entries()) expect(got).toEqual(sums(index + 1, 12));
});

test("where states are not kept, a node's death is told, and never taken for a new beginning", async () => {
  const world = await startTwoNodes("max_sequence_idle_microseconds: 60000000 direct { }", { kind: "none" });
  nodes = world;
  const ids = Array.from({ length: 20 }, (_, index) => BigInt(index + 1));
  await Promise.all(ids.map((id) => world.step(0, id, 1, "S")));
  world.isolate(0);
  const outcomes = await Promise.allSettled(ids.map((id) => world.step(0, id, 1)));
  const reasons = outcomes.map((outcome) => (outcome.status === "fulfilled" ? outcome.value : String(outcome.reason.code)));
  expect(new Set(reasons)).toEqual(new Set([2, "DATA_LOSS"]));
});
