/** What a slot holds of a prompt is as good as computing it: not a bit of the answer differs. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { GREEDY } from "../../../core/model/sampling-parameters.ts";
import type { Replica } from "../../../embedded/replica.ts";
import { type ShardCache, shardCache, startRealReplica } from "../../support/replica.ts";
import { goldenPrompts } from "./golden-prompts.ts";

const TOKENS = 12;
const SAMPLING = { ...GREEDY, topLogprobs: 5 };

/** Begin alike: each goes on where another one was cut. */
function conversation(): readonly (readonly number[])[] {
  const all = goldenPrompts().flatMap(({ promptIds }) => promptIds);
  const [long, turn] = [all.slice(0, 150), all.slice(150, 190)];
  return [long, [...long, ...turn], [...long.slice(0, 80), ...turn], long, [...long, ...turn, ...long.slice(0, 33)], long.slice(0, 18)];
}

describe.each(["native", "int8"] as const)("%s weights", (quantization) => {
  let cache: ShardCache;
  let computing: Replica;
  let sharing: Replica;
  beforeAll(async () => {
    cache = await shardCache();
    computing = await startRealReplica({ cache, stages: 1, quantization });
    sharing = await startRealReplica({ cache, stages: 2, quantization, prefixCacheTokens: 4_000 });
  });
  afterAll(async () => {
    await computing?.[Symbol.asyncDispose]();
    await sharing?.[Symbol.asyncDispose]();
    await cache?.[Symbol.asyncDispose]();
  });

  test("answer prompts that begin alike with the ids and logprobs that each has when it is computed whole", async () => {
    for (const [turn, promptIds] of conversation().entries()) {
      const wanted = await computing.generate({ promptIds, tokensMax: TOKENS, sampling: SAMPLING });
      expect(await sharing.generate({ promptIds, tokensMax: TOKENS, sampling: SAMPLING }), `turn ${turn}`).toEqual(wanted);
    }
    const { tokensShared, tokensPrefilled } = sharing.engine.counters;
    expect(tokensShared).toBe(150 + 80 + 148 + 190 + 16);
    expect(tokensPrefilled + tokensShared).toBe(computing.engine.counters.tokensPrefilled);
  });

  test("answer them so when they run side by side, too", async () => {
    const prompts = conversation();
    const together = await Promise.all(prompts.map((promptIds) => sharing.generate({ promptIds, tokensMax: TOKENS, sampling: SAMPLING })));
    for (const [index, promptIds] of prompts.entries()) {
      expect(together[index], `prompt ${index}`).toEqual(await computing.generate({ promptIds, tokensMax: TOKENS, sampling: SAMPLING }));
    }
  });
});
