/** What is said of a choice is what was chosen, whatever replicas there are. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { nodeId } from "../../../../core/ids.ts";
import type { RefusalReason } from "../../../../core/messages/generation.ts";
import type { ReplicaView } from "../../../../gateway/control/fleet.ts";
import { chooseReplica, type RouteQuestion } from "../../../../gateway/routing/choose-replica.ts";
import { explainReplica } from "../../../../gateway/routing/explain-replica.ts";

const RUNS = { seed: 31, numRuns: 2_000 };
const few = fc.integer({ min: 0, max: 5 });
const one = fc.record({
  model: fc.constantFrom("m", "m", "m", "other"),
  version: fc.constantFrom("1", "2", "10"),
  cpu: fc.constantFrom("a", "b"),
  leaving: fc.boolean(),
  ready: fc.constantFrom(true, true, false),
  slots: few,
  busySlots: few,
  queued: few,
  inFlight: few,
  match: fc.double({ min: 0, max: 1, noNaN: true }),
  refused: fc.constantFrom<RefusalReason | undefined>(undefined, undefined, "full", "draining"),
});
const asked = fc.record({
  all: fc.array(one, { maxLength: 8 }),
  version: fc.constantFrom(undefined, "1", "2"),
  preferredCpu: fc.constantFrom(undefined, "a", "third"),
  chance: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
});
type Asked = typeof asked extends fc.Arbitrary<infer Value> ? Value : never;
type One = Asked["all"][number];

function questionOf({ all, version, preferredCpu, chance }: Asked): RouteQuestion {
  const name = (index: number) => `m/${index}`;
  const replicas = all.map(({ inFlight: _own, match: _match, refused: _refused, ...fields }, index): ReplicaView => {
    return { ...fields, replica: name(index), epoch: 1, contextLength: 100, textDigest: "d", node: nodeId(`n${index}`), link: "memory:1" };
  });
  return {
    model: "m",
    version,
    replicas,
    preferredCpu,
    chance,
    inFlight: (replica) => all[Number(replica.slice(2))]?.inFlight ?? 0,
    refused: new Map(all.flatMap(({ refused }, index) => (refused === undefined ? [] : [[name(index), refused] as const]))),
    matches: new Map(all.map(({ match }, index) => [name(index), match])),
  };
}

test("the explained best is the one that was chosen, and every replica of the model is a candidate or was filtered out", () => {
  let chosen = 0;
  fc.assert(
    fc.property(asked, (input) => {
      const question = questionOf(input);
      const route = chooseReplica(question);
      const pick = explainReplica(question, route);
      const names = [...pick.candidates, ...pick.filtered].map(({ replica }) => replica);
      const hosted = question.replicas.filter(({ model }) => model === "m").map(({ replica }) => replica);
      expect(names.toSorted()).toEqual(hosted.toSorted());
      expect(pick.chosen === undefined).toBe(pick.candidates.length === 0);
      const costs = new Map(pick.candidates.map(({ replica, scores: { cost } }) => [replica, cost]));
      const [lowest] = costs.values();
      expect(pick.chosen && costs.get(pick.chosen.replica)).toBe(lowest);
      if (pick.chosen !== undefined) chosen += 1;
    }),
    RUNS,
  );
  expect(chosen).toBeGreaterThan(RUNS.numRuns / 4);
});

test("each reason for which a replica is passed over is said", () => {
  const base: One = {
    model: "m",
    version: "2",
    cpu: "a",
    leaving: false,
    ready: true,
    slots: 4,
    busySlots: 0,
    queued: 0,
    inFlight: 0,
    match: 0,
    refused: undefined,
  };
  const all: One[] = [
    base,
    { ...base, ready: false },
    { ...base, refused: "full" },
    { ...base, cpu: "b" },
    { ...base, version: "1" },
    { ...base, leaving: true },
  ];
  const question = questionOf({ all, version: undefined, preferredCpu: "a", chance: 0 });
  const reasons = ({ filtered }: ReturnType<typeof explainReplica>) => filtered.map(({ why }) => why);
  const explained = (changes: Partial<RouteQuestion>) => {
    const changed = { ...question, ...changes };
    return reasons(explainReplica(changed, chooseReplica(changed)));
  };
  expect(explained({})).toEqual(["not ready", "has refused: full", "another CPU", "an older version", "its node is to be left"]);
  expect(explained({ version: "2" })).toEqual([
    "not ready",
    "has refused: full",
    "another CPU",
    "another version",
    "its node is to be left",
  ]);
});
