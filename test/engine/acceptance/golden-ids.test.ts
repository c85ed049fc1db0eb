/** The engine in fp32, against another engine's ids and logits. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { GREEDY } from "../../../core/model/sampling-parameters.ts";
import type { Replica } from "../../../embedded/replica.ts";
import { type ShardCache, shardCache, startRealReplica } from "../../support/replica.ts";
import { type GoldenPrompt, goldenPrompts } from "./golden-prompts.ts";

const BATCH = 8;
const LOGIT_TOLERANCE = 1e-3;
/** A lone sequence is slow: several stages show with the first tokens that they are one, and with all of them in a batch. */
const ALONE_TOKENS = { 1: 64, 2: 20, 3: 20 } as const;

const prompts = goldenPrompts();

/** Eight at once: the first prompts stand in it twice. */
const batch: readonly GoldenPrompt[] = [...prompts, ...prompts].slice(0, BATCH);

describe.each([1, 2, 3] as const)("fp32 over %i stages", (stages) => {
  let cache: ShardCache;
  let replica: Replica;
  beforeAll(async () => {
    cache = await shardCache();
    replica = await startRealReplica({ cache, stages, quantization: "fp32" });
  });
  afterAll(async () => {
    await replica?.[Symbol.asyncDispose]();
    await cache?.[Symbol.asyncDispose]();
  });

  const idsOf = async ({ promptIds }: GoldenPrompt, tokensMax: number): Promise<readonly number[]> =>
    (await replica.generate({ promptIds, tokensMax })).map(({ id }) => id);

  test("continues every golden prompt with the golden ids when it runs alone", async () => {
    const count = ALONE_TOKENS[stages];
    for (const prompt of prompts) expect(await idsOf(prompt, count), prompt.name).toEqual(prompt.greedyIds.slice(0, count));
  });

  test("continues them with the golden ids in a batch of 8", async () => {
    const before = replica.engine.counters;
    const { tokensDecoded, decodeRuns } = { ...before };
    const answers = await Promise.all(batch.map((prompt) => idsOf(prompt, prompt.greedyIds.length)));
    for (const [index, prompt] of batch.entries()) expect(answers[index], prompt.name).toEqual(prompt.greedyIds);
    const rowsARun = (before.tokensDecoded - tokensDecoded) / (before.decodeRuns - decodeRuns);
    expect(rowsARun, "they shared their runs, as micro-batches of the stages").toBeGreaterThan(BATCH / stages / 2);
  });

  test("gives the five largest logits of the first position within 0.001", async () => {
    for (const { name, promptIds, firstTop5 } of prompts) {
      const [first] = await replica.generate({ promptIds, tokensMax: 1, sampling: { ...GREEDY, topLogprobs: 5 } });
      const found = first?.topLogprobs ?? [];
      expect(
        found.map(([id]) => id),
        name,
      ).toEqual(firstTop5.map(([id]) => id));
      // Log probabilities are logits less one number that all of a position have in common.
      const shift = (found[0]?.[1] ?? 0) - (firstTop5[0]?.[1] ?? 0);
      for (const [rank, [, logit]] of firstTop5.entries())
        expect(Math.abs((found[rank]?.[1] ?? 0) - shift - logit), name).toBeLessThan(LOGIT_TOLERANCE);
    }
  });
});
