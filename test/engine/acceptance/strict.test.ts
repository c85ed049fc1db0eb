/** Determinism on quantized weights: a generation's tokens depend on its prompt alone, whatever shares its runs, on however many stages. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Replica } from "../../../embedded/replica.ts";
import { type ShardCache, shardCache, startRealReplica } from "../../support/replica.ts";
import { goldenPrompts } from "./golden-prompts.ts";

const TOKENS = 40;
/** A lone sequence is slow, and every stage is passed at every token. */
const ALONE_TOKENS = 16;
const SLOTS = 8;
/** A sequence joins when the one before it has as many tokens: the batch grows while others are at every stage of their lives. */
const JOIN_AFTER = 1;
/** These leave in the middle of theirs, and another one takes the slot. */
const LEAVE_EARLY = new Set([2, 5, 10]);
const LEAVE_AFTER = 9;
const SEQUENCES = 14;

const prompts = goldenPrompts();
const promptOf = (sequence: number): readonly number[] => prompts[sequence % prompts.length]?.promptIds ?? [];

describe.each(["native", "int8"] as const)("%s weights", (quantization) => {
  let cache: ShardCache;
  let whole: Replica;
  /** Of one stage, each prompt alone. */
  let alone: readonly (readonly number[])[];
  beforeAll(async () => {
    cache = await shardCache();
    whole = await startRealReplica({ cache, stages: 1, quantization });
    const found: (readonly number[])[] = [];
    for (const { promptIds } of prompts) found.push((await whole.generate({ promptIds, tokensMax: TOKENS })).map(({ id }) => id));
    alone = found;
  });
  afterAll(async () => {
    await whole?.[Symbol.asyncDispose]();
    await cache?.[Symbol.asyncDispose]();
  });

  test("in one stage give each prompt the same ids in a batch of 2 to 8 that others join and leave", async () => {
    await expectSameIdsInChangingBatch(whole, alone);
  });

  test.each([2, 3])("in %i stages give the ids of one stage, alone and in such batches", async (stages) => {
    await using staged = await startRealReplica({ cache, stages, quantization });
    for (const [index, { name, promptIds }] of prompts.entries()) {
      const ids = (await staged.generate({ promptIds, tokensMax: ALONE_TOKENS })).map(({ id }) => id);
      expect(ids, name).toEqual(alone[index]?.slice(0, ALONE_TOKENS));
    }
    await expectSameIdsInChangingBatch(staged, alone);
  });
});

/** Sequences of many lengths join one by one; some are canceled on the way, the others run to their ends at different times. */
async function expectSameIdsInChangingBatch(replica: Replica, alone: readonly (readonly number[])[]): Promise<void> {
  const sizes = new Set<number>();
  const ids: number[][] = [];
  const running: Promise<unknown>[] = [];
  const join = (sequence: number) => {
    const leave = new AbortController();
    const found: number[] = [];
    ids[sequence] = found;
    const tokensMax = 20 + ((sequence * 11) % (TOKENS - 20));
    const generating = replica.generate(
      {
        promptIds: promptOf(sequence),
        tokensMax,
        onToken: ({ id }) => {
          found.push(id);
          sizes.add(replica.engine.load().busySlots);
          if (found.length === JOIN_AFTER && sequence + 1 < SEQUENCES) join(sequence + 1);
          if (found.length === LEAVE_AFTER && LEAVE_EARLY.has(sequence)) leave.abort("left");
        },
      },
      leave.signal,
    );
    running.push(
      generating.then(
        () => expect(found).toHaveLength(tokensMax),
        (why: unknown) => expect(why).toBe("left"),
      ),
    );
  };
  join(0);
  for (let index = 0; index < running.length; index++) await running[index]; // grows while we wait
  expect(running).toHaveLength(SEQUENCES);
  for (let size = 2; size <= SLOTS; size++) expect(sizes, `a batch of ${size} was seen`).toContain(size);
  for (const [sequence, found] of ids.entries())
    expect(found, `sequence ${sequence}`).toEqual(alone[sequence % prompts.length]?.slice(0, found.length));
}
