/** Requests that have ended processes are refused for ten minutes from their conviction, and no other ones ever. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { POISON_REQUEST, ServingError } from "../../../../core/errors.ts";
import { PoisonRequests } from "../../../../gateway/serving/poison-requests.ts";

const SEED = 15;
const POISON = new ServingError("INTERNAL", "2 processes died", { reason: POISON_REQUEST });
const OTHER_FAILURE = new ServingError("INTERNAL", "out of bounds", { reason: "onnx_runtime" });

const actionOf = fc.record({
  passMs: fc.constantFrom(0, 1_000, 200_000, 599_999),
  key: fc.integer({ min: 0, max: 4 }),
  does: fc.constantFrom("asks" as const, "ends a process" as const, "fails otherwise" as const),
});

test("exactly those are refused that were convicted less than ten minutes ago", () => {
  fc.assert(
    fc.property(fc.array(actionOf, { maxLength: 60 }), (actions) => {
      const poison = new PoisonRequests<{ readonly model: string; readonly key: number }>(({ key }) => String(key));
      const convictedMs = new Map<number, number>();
      let nowMs = 5;
      for (const { passMs, key, does } of actions) {
        nowMs += passMs;
        const request = { model: "m", key };
        const isRefused = nowMs - (convictedMs.get(key) ?? Number.NEGATIVE_INFINITY) < 600_000;
        const ask = () => poison.refuse(request, nowMs);
        if (isRefused) expect(ask).toThrow(expect.objectContaining({ reason: POISON_REQUEST }));
        else expect(ask).not.toThrow();
        if (isRefused || does === "asks") continue;
        if (does === "ends a process") convictedMs.set(key, nowMs);
        poison.note(request, does === "ends a process" ? POISON : OTHER_FAILURE, nowMs);
      }
    }),
    { seed: SEED, numRuns: 300 },
  );
});

test("a thousand are remembered, the newest", () => {
  const poison = new PoisonRequests<{ readonly model: string }>(({ model }) => model);
  for (let count = 0; count <= 1_000; count++) poison.note({ model: `m${count}` }, POISON, count);
  expect(() => poison.refuse({ model: "m0" }, 1_000)).not.toThrow();
  expect(() => poison.refuse({ model: "m1" }, 1_000)).toThrow(/is refused for 10 minutes/);
});
