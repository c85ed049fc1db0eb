/** Where a generation goes is told to who asks: with the text's head, and with each replica that refused it. */
import { expect, test } from "vitest";
import { RouteExplanation } from "../../../../../gateway/routing/route-explanation.ts";
import { servingRig, started } from "../serving-rig.ts";

test("the choices of a generation that one replica has refused are both told, with the loads and the prompt's match", async () => {
  await using rig = await servingRig({ agents: 2 });
  const [first, second] = rig.agents;
  if (first !== undefined) first.policy = { kind: "refuse", reason: "draining" };
  rig.beat(1, { busySlots: 1 });
  const explained = async () => {
    const explanation = new RouteExplanation();
    const run = await started(rig, { explanation });
    expect(run.events[0]?.kind).toBe("started");
    return JSON.parse(explanation.headers()["x-nereid-route"] ?? "").picks;
  };
  const picks = await explained();
  expect(picks[0]).toMatchObject({ chosen: { node: first?.node }, outcome: "refused: draining" });
  const accepted = picks[1];
  expect(accepted).toMatchObject({ chosen: { node: second?.node }, outcome: "accepted" });
  const again = (await explained()).at(-1);
  expect(again.chosen).toEqual(accepted.chosen);
  expect(again.candidates.find(({ node }: { readonly node: string }) => node === second?.node)).toMatchObject({
    match: 1,
    own_in_flight: 1,
  });
});
