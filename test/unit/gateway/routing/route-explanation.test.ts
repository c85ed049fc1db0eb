/** The header that says where a request went. */
import { expect, test } from "vitest";
import { RouteExplanation, type RoutePick } from "../../../../gateway/routing/route-explanation.ts";

const place = (number: number) => ({ replica: `m/1/${number}`, node: `n${number}` });
const pick = (number: number, candidates = [number]): RoutePick => ({
  chosen: place(number),
  candidates: candidates.map((one) => ({ ...place(one), scores: { load: one / 3, cpu: "x86" } })),
  filtered: [{ ...place(99), why: "not ready" }],
});
const told = (explanation: RouteExplanation) => JSON.parse(explanation.headers()["x-nereid-route"] ?? "");

test("each choice stands in it with its candidates, and how it ended", () => {
  const explanation = new RouteExplanation();
  explanation.add(pick(1, [1, 2]));
  explanation.ended(place(1), "refused: full");
  explanation.add(pick(2));
  explanation.ended(place(2), "accepted");
  expect(told(explanation)).toEqual({
    picks: [
      {
        chosen: { replica: "m/1/1", node: "n1" },
        outcome: "refused: full",
        candidates: [
          { replica: "m/1/1", node: "n1", load: 0.333, cpu: "x86" },
          { replica: "m/1/2", node: "n2", load: 0.667, cpu: "x86" },
        ],
        filtered: [{ replica: "m/1/99", node: "n99", why: "not ready" }],
      },
      expect.objectContaining({ chosen: place(2), outcome: "accepted" }),
    ],
  });
});

test("what came after it was told are the moves, each told once when it is over, with what was lost before", () => {
  const explanation = new RouteExplanation();
  explanation.add(pick(1));
  explanation.headers();
  explanation.ended(place(1), "accepted");
  explanation.left(place(1), "the link was lost");
  expect(explanation.moves()).toBeUndefined();
  explanation.add({ ...pick(2), chosen: undefined });
  explanation.add(pick(2));
  expect(JSON.parse(explanation.moves() ?? "")).toMatchObject({ picks: [{ left: { ...place(1), why: "the link was lost" } }] });
  explanation.ended(place(2), "accepted");
  expect(JSON.parse(explanation.moves() ?? "")).toEqual({
    picks: [expect.objectContaining({ chosen: place(2), outcome: "accepted" })],
  });
  expect(explanation.moves()).toBeUndefined();
});

test("nothing is said while nothing was chosen", () => {
  expect(new RouteExplanation().headers()).toEqual({});
});

test("it is one line of ASCII of at most 3,000 characters, whatever names and numbers there are", () => {
  const explanation = new RouteExplanation();
  for (let round = 0; round < 20; round++)
    explanation.add(
      pick(
        round,
        Array.from({ length: 200 }, (_, index) => index),
      ),
    );
  explanation.add({ chosen: { replica: "海\n", node: "n" }, candidates: [], filtered: [] });
  const text = explanation.headers()["x-nereid-route"] ?? "";
  expect(text).toMatch(/^[ -~]{100,3000}$/);
  const { picks } = JSON.parse(text);
  expect(picks.at(-1).chosen.replica).toBe("海\n");
  expect(picks[0].left_out).toBeGreaterThan(190);
});
