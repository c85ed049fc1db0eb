/** What is learned of costs. */
import { expect, test } from "vitest";
import { RunCosts } from "../../../../node-agent/generation/run-costs.ts";

test("the slowest stage counts, and runs weigh by their tokens", () => {
  const costs = new RunCosts();
  costs.observePrefill(64, [10_000, 64_000, 3]);
  expect(costs.prefillTokenUs).toBeCloseTo(1_000);
  costs.observePrefill(2, [20_000, 20_000, 20_000]); // ten times as dear a token, but only two of them
  expect(costs.prefillTokenUs).toBeLessThan(1_300);
});

test("newer runs outweigh older ones after a few hundred tokens", () => {
  const costs = new RunCosts();
  for (let run = 0; run < 50; run++) costs.observePrefill(64, [64_000]);
  for (let run = 0; run < 12; run++) costs.observePrefill(64, [128_000]);
  expect(costs.prefillTokenUs).toBeGreaterThan(1_900);
});

test("a chunk is the largest power of two within the budget, between 16 and 256 tokens, and 32 before anything is measured", () => {
  const costs = new RunCosts();
  expect(costs.chunkTokens(1)).toBe(32);
  costs.observePrefill(1_000, [1_000_000]);
  expect([0, 20, 31.9, 32, 50, 100, 1_000].map((budgetMs) => costs.chunkTokens(budgetMs))).toEqual([16, 16, 16, 32, 32, 64, 256]);
});

test("stages that report no time teach nothing", () => {
  const costs = new RunCosts();
  costs.observePrefill(64, [0, 0]);
  expect(costs.chunkTokens(50)).toBe(32);
});
