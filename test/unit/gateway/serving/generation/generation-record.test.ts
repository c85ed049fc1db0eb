import { expect, test } from "vitest";
import { seededRandom } from "../../../../../core/random.ts";
import { MemoryGenerationStore } from "../../../../../core/store/generations/memory.ts";
import { GenerationRecord } from "../../../../../gateway/serving/generation/generation-record.ts";
import { FakeClock, turns } from "../../../../support/fake-clock.ts";
import { LogBook } from "../../../node-agent/hosting-rig.ts";
import { servingRig } from "../serving-rig.ts";

const MINUTE_MS = 60_000;
const OWN = { tenant: "a", model: "bytes" };

async function rig() {
  const clock = new FakeClock();
  const generations = new MemoryGenerationStore(clock);
  const log = new LogBook();
  const { fleet } = await servingRig({ agents: 2 });
  const deps = { generations, fleet, clock, random: seededRandom(1n), logger: log.logger };
  const [first, second] = fleet.replicas();
  if (first === undefined || second === undefined) throw new Error("two agents lead a replica each");
  return { clock, generations, log, deps, first, second };
}

const found = (generations: MemoryGenerationStore) => generations.take("g", { tenant: "a", fence: "another" }, MINUTE_MS);

test("a record says who leads, with the incarnation of its agent, and follows it", async () => {
  const { generations, deps, first, second } = await rig();
  const record = await GenerationRecord.begin(deps, "g", OWN, first);
  await record?.moved(second);
  expect(await found(generations)).toEqual({ ...OWN, node: second.node, incarnation: "1" });
});

test("a record lives as long as its stream is read, and is written once in five minutes", async () => {
  const { clock, generations, deps, first } = await rig();
  const record = await GenerationRecord.begin(deps, "g", OWN, first);
  let written = 0;
  const keep = generations.keep.bind(generations);
  generations.keep = (...args) => {
    written += 1;
    return keep(...args);
  };
  for (let second = 0; second < 3_600; second++) {
    clock.advance(1_000);
    record?.renew(first);
    await turns(1);
  }
  expect(written).toBe(12);
  expect(await found(generations)).toMatchObject(OWN);
});

test("a stream that another gateway has taken up does not go on elsewhere", async () => {
  const { generations, deps, first, second } = await rig();
  const record = await GenerationRecord.begin(deps, "g", OWN, first);
  await found(generations);
  await expect(record?.moved(second)).rejects.toMatchObject({ code: "ABORTED", reason: "resumed_elsewhere" });
});

test("a store that is away, or was emptied, ends no stream", async () => {
  const { generations, deps, first, second, log } = await rig();
  const record = await GenerationRecord.begin(deps, "g", OWN, first);
  generations.records.setAway(true);
  await record?.moved(second);
  expect(log.lines.at(-1)).toContain("the store does not know where a stream went on");
  expect(await GenerationRecord.begin(deps, "h", OWN, first)).toBe(undefined);
  generations.records.setAway(false);
  generations.records.wipe();
  await record?.moved(second);
});
