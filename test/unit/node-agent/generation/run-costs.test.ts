/** What is learned of costs. */
import { expect, test } from "vitest";
import { ChunkCosts } from "../../../../node-agent/generation/run-costs.ts";

test("the slowest stage counts, and runs weigh by their tokens", () => {
  const costs = new ChunkCosts(256);
  costs.observe(64, [10_000, 64_000, 3]);
  expect(costs.tokenUs).toBeCloseTo(1_000);
  costs.observe(2, [20_000, 20_000, 20_000]); // ten times as dear a token, but only two of them
  expect(costs.tokenUs).toBeLessThan(1_300);
});

test("newer runs outweigh older ones after a few hundred tokens", () => {
  const costs = new ChunkCosts(256);
  for (let run = 0; run < 50; run++) costs.observe(64, [64_000]);
  for (let run = 0; run < 12; run++) costs.observe(64, [128_000]);
  expect(costs.tokenUs).toBeGreaterThan(1_900);
});

test("a chunk is the largest power of two within the budget, between 16 tokens and the most, and 32 before anything is measured", () => {
  const costs = new ChunkCosts(256);
  expect(costs.chunkTokens(1)).toBe(32);
  costs.observe(1_000, [1_000_000]);
  expect([0, 20, 31.9, 32, 50, 100, 1_000].map((budgetMs) => costs.chunkTokens(budgetMs))).toEqual([16, 16, 16, 32, 32, 64, 256]);
});

test("stages that report no time teach nothing", () => {
  const costs = new ChunkCosts(256);
  costs.observe(64, [0, 0]);
  expect(costs.chunkTokens(50)).toBe(32);
});
