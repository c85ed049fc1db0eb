import { expect, test } from "vitest";
import { RateLimit } from "../../../../gateway/http2/rate-limit.ts";

test("so many at once, and so many a second after that", () => {
  const limit = new RateLimit({ perSecond: 10, burst: 3 });
  const taken = [0, 0, 0, 0, 100, 200, 200].map((nowMs) => limit.take(1_000 + nowMs));
  expect(taken).toEqual([true, true, true, false, true, true, false]);
});

test("what is given back may be taken, up to the burst", () => {
  const limit = new RateLimit({ perSecond: 0, burst: 2 });
  limit.take(0);
  limit.giveBack(10);
  expect([limit.take(0), limit.take(0), limit.take(0)]).toEqual([true, true, false]);
});
