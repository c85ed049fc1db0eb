/** Speed from the times of tokens. */
import { describe, expect, test } from "vitest";
import { jointTokenRate, throughput } from "../../../../bench/llm/token-rate.ts";

/** Tokens every 10 ms. */
const steady = (fromMs: number, count: number): number[] => Array.from({ length: count }, (_, index) => fromMs + index * 10);

describe("the joint token rate", () => {
  test("of one sequence is its steps per second, whose first token starts the clock", () => {
    expect(jointTokenRate([steady(0, 11)])).toBeCloseTo(100);
  });

  test("adds up the sequences that run together", () => {
    expect(jointTokenRate([steady(0, 21), steady(0, 21), steady(0, 21)])).toBeCloseTo(300);
  });

  test("counts only while all of them run", () => {
    const alone = Array.from({ length: 50 }, (_, index) => index); // ten times as fast before the other joins
    expect(jointTokenRate([[...alone, ...steady(50, 10)], steady(50, 30)])).toBeCloseTo(200);
  });

  test("does not depend on which row of a step is handed out first", () => {
    const late = steady(0, 11).map((time) => time + 0.4);
    expect(jointTokenRate([steady(0, 11), late])).toBeCloseTo(200);
    expect(jointTokenRate([late, steady(0, 11)])).toBeCloseTo(200);
  });

  test("is no number when a sequence has no two tokens in the common time", () => {
    expect(jointTokenRate([steady(0, 2), steady(100, 2)])).toBeNaN();
  });
});

test("throughput counts all tokens from the first request sent to the last answer's end", () => {
  const chats = [
    { sentMs: 100, endMs: 600, completionTokens: 40 },
    { sentMs: 200, endMs: 1_100, completionTokens: 60 },
  ];
  expect(throughput(chats)).toBeCloseTo(100);
});
