/** What a key has left, minute by minute and day by day, and what it is told when that is nothing. */
import { expect, test } from "vitest";
import { Budget, DAY_MS, durationText } from "../../../../gateway/quotas/budget.ts";
import { type KeyLimits, NO_LIMITS, parseKeyLimits } from "../../../../gateway/quotas/key-limits.ts";

const at = (nowMs: number) => ({ nowMs, wallMs: 20_000 * DAY_MS + DAY_MS / 2 + nowMs });
const budgetOf = (limits: Partial<KeyLimits>) => new Budget("0123456789ab", { ...NO_LIMITS, ...limits }, at(0));

function refusal(act: () => void): unknown {
  try {
    act();
  } catch (thrown) {
    return thrown;
  }
  throw new Error("it was let in");
}

test("requests of a minute are let in, and then one each time that there is room for it", () => {
  const budget = budgetOf({ requestsPerMinute: 3 });
  for (let request = 0; request < 3; request++) budget.begin(1_000_000, at(0));
  expect(refusal(() => budget.begin(1, at(0)))).toMatchObject({
    code: "RESOURCE_EXHAUSTED",
    reason: "rate_limit_exceeded",
    retryAfterMs: 20_000,
    message: "the API key 0123456789ab is limited to 3 requests a minute: try again in 20s",
  });
  budget.begin(1, at(20_000));
  expect(refusal(() => budget.begin(1, at(20_000)))).toMatchObject({ retryAfterMs: 20_000 });
});

test("tokens that were taken and not used come back, and those that were used beyond are a debt", () => {
  const budget = budgetOf({ tokensPerMinute: 600 });
  budget.begin(600, at(0));
  expect(refusal(() => budget.begin(10, at(0)))).toMatchObject({ retryAfterMs: 1_000 });
  budget.end(-500, at(0));
  budget.begin(500, at(0));
  budget.end(300, at(0));
  expect(refusal(() => budget.begin(1, at(0)))).toMatchObject({ retryAfterMs: 30_100 });
});

test("so many run at once, and another one when one is over", () => {
  const budget = budgetOf({ concurrent: 2 });
  budget.begin(0, at(0));
  budget.begin(0, at(0));
  expect(refusal(() => budget.begin(0, at(0)))).toMatchObject({ code: "RESOURCE_EXHAUSTED", retryAfterMs: 1_000 });
  budget.end(0, at(0));
  budget.begin(0, at(0));
});

test("a day's tokens are a day's, and midnight brings new ones", () => {
  const budget = budgetOf({ tokensPerDay: 1_000 });
  budget.begin(900, at(0));
  budget.end(0, at(0));
  expect(refusal(() => budget.begin(200, at(0)))).toMatchObject({ reason: "insufficient_quota", retryAfterMs: DAY_MS / 2 });
  budget.begin(100, at(0));
  budget.end(0, at(0));
  expect(refusal(() => budget.check(1, at(1)))).toMatchObject({ reason: "insufficient_quota" });
  budget.begin(200, at(DAY_MS / 2));
});

test("what other gateways used is used here, too", () => {
  const budget = budgetOf({ requestsPerMinute: 10, tokensPerDay: 100 });
  budget.begin(10, at(0));
  budget.hear({ requests: 9, tokens: 80 }, { requests: 10, tokens: 90 }, at(0));
  expect(refusal(() => budget.check(1, at(0)))).toMatchObject({ reason: "rate_limit_exceeded" });
  expect(refusal(() => budget.check(11, at(6_001)))).toMatchObject({ reason: "insufficient_quota" });
});

test("headers say what is limited, as OpenAI does", () => {
  const budget = budgetOf({ requestsPerMinute: 60, tokensPerMinute: 6_000 });
  budget.begin(1_500, at(0));
  expect(budget.headers(at(500))).toEqual({
    "x-ratelimit-limit-requests": "60",
    "x-ratelimit-remaining-requests": "59",
    "x-ratelimit-reset-requests": "500ms",
    "x-ratelimit-limit-tokens": "6000",
    "x-ratelimit-remaining-tokens": "4550",
    "x-ratelimit-reset-tokens": "14.5s",
  });
  expect(budgetOf({ concurrent: 1 }).headers(at(0))).toEqual({});
});

test.each([
  [0.2, "1ms"],
  [999, "999ms"],
  [1_500, "1.5s"],
  [59_000, "59s"],
  [360_000, "6m0s"],
  [43_200_001, "12h0m1s"],
])("%d ms are %s", (ms, text) => {
  expect(durationText(ms)).toBe(text);
});

test("limits are read by their names", () => {
  expect(parseKeyLimits("requests/min=600,tokens/day=5000000")).toEqual({ ...NO_LIMITS, requestsPerMinute: 600, tokensPerDay: 5_000_000 });
  expect(parseKeyLimits("concurrent=8,tokens/min=1")).toEqual({ ...NO_LIMITS, concurrent: 8, tokensPerMinute: 1 });
  for (const wrong of [
    "",
    "requests=1",
    "concurrent=0",
    "concurrent=-1",
    "concurrent=1.5",
    "concurrent=1,concurrent=2",
    "constructor=1",
    "x",
  ])
    expect(parseKeyLimits(wrong), wrong).toBeUndefined();
});
