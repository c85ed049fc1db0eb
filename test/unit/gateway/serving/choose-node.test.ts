/** Which node takes an inference is told to who asks, with each node that did not. */
import { expect, test } from "vitest";
import { RouteExplanation } from "../../../../gateway/routing/route-explanation.ts";
import { inferOf, modelRig, NEVER, published } from "./model-rig.ts";

const told = (explanation: RouteExplanation) => JSON.parse(explanation.headers()["x-nereid-route"] ?? "").picks;

test("the copy with the least under way is told with all candidates, and each that refused with what followed", async () => {
  await using rig = await modelRig(3);
  rig.host(0, published("m"), { inFlight: 1 });
  rig.host(1, published("m"), { inFlight: 2, queued: 3 });
  rig.host(2, published("m"), { state: { kind: "loading" } });
  rig.agent(0).policy = "refuse";
  await rig.beat();
  const explanation = new RouteExplanation();
  await rig.inference.infer(inferOf("m", { explanation }), NEVER);
  const at = (node: number) => ({ replica: "m/1/1", node: `node-${node}` });
  const second = { ...at(2), load: 5, busy: 2, queued: 3, own_in_flight: 0 };
  const loading = { ...at(3), why: "loading" };
  expect(told(explanation)).toEqual([
    {
      chosen: at(1),
      outcome: "refused: not-here",
      candidates: [{ ...at(1), load: 1, busy: 1, queued: 0, own_in_flight: 0 }, second],
      filtered: [loading],
    },
    { chosen: at(2), outcome: "accepted", candidates: [second], filtered: [{ ...at(1), why: "has refused" }, loading] },
  ]);
});

test("a node that is to be left takes what no other one can, and why is told", async () => {
  await using rig = await modelRig(2);
  rig.host(0, published("m"));
  rig.host(1, published("m"), { inFlight: 5 });
  await rig.beat();
  rig.leave("node-1");
  const explanation = new RouteExplanation();
  await rig.inference.infer(inferOf("m", { explanation }), NEVER);
  const [{ chosen, filtered }] = told(explanation);
  expect([chosen.node, filtered]).toEqual(["node-2", [{ replica: "m/1/1", node: "node-1", why: "its node is to be left" }]]);
  rig.leave("node-1", "node-2");
  await rig.inference.infer(inferOf("m"), NEVER);
});

test("a step of a sequence tells whether its owner was known", async () => {
  await using rig = await modelRig(2);
  const sequences = { idleMs: 60_000, kept: false };
  for (const node of [0, 1]) rig.host(node, published("m", "1", { sequences }));
  await rig.beat();
  const owners: unknown[] = [];
  for (const start of [true, false]) {
    const explanation = new RouteExplanation();
    const parameters = new Map<string, string | number | boolean>([["sequence_id", 7], ["sequence_start", start]]); // biome-ignore format: a pair a line says less
    await rig.inference.infer(inferOf("m", { parameters, explanation }), NEVER);
    const [{ chosen, candidates }] = told(explanation);
    owners.push(candidates.find(({ node }: { readonly node: string }) => node === chosen.node).owner);
  }
  expect(owners).toEqual(["no", "yes"]);
});
