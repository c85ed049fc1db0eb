/** A generation that goes on from the ids that there are gives the tokens that it would have given: to the bit, wherever it was cut. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { BegunChoice, ChoiceToken } from "../../../core/messages/generation.ts";
import { GREEDY, type SamplingParameters } from "../../../core/model/sampling-parameters.ts";
import type { Replica } from "../../../embedded/replica.ts";
import { type ShardCache, shardCache, startRealReplica } from "../../support/replica.ts";
import { goldenPrompts } from "./golden-prompts.ts";

const TOKENS = 32;
const SAMPLED: SamplingParameters = {
  ...GREEDY,
  temperature: 0.9,
  topP: 0.95,
  repetitionPenalty: 1.1,
  presencePenalty: 0.3,
  frequencyPenalty: 0.2,
  seed: 77n,
  topLogprobs: 2,
};
const MANNERS = { greedy: { ...GREEDY, topLogprobs: 2 }, sampled: SAMPLED };
/** One token: it needs a dummy behind it when it is run. */
const LONE_PROMPT = [504];
const prompts = [LONE_PROMPT, ...goldenPrompts().map(({ promptIds }) => promptIds)].slice(0, 5);
/** Emitted tokens at which a run is cut; the tokens' log probabilities are compared too, so that close bits do not pass for equal ones. */
const CUTS = [1, 2, 13, TOKENS - 1];

interface Run {
  readonly promptIds: readonly number[];
  readonly sampling: SamplingParameters;
  readonly tokens: readonly ChoiceToken[];
}

describe.each([
  ["fp32", 2],
  ["int8", 1],
  ["int8", 2],
  ["native", 2],
] as const)("%s weights in %i stages", (quantization, stages) => {
  let cache: ShardCache;
  let replica: Replica;
  const runs: Run[] = [];
  beforeAll(async () => {
    cache = await shardCache();
    replica = await startRealReplica({ cache, stages, quantization });
    for (const sampling of Object.values(MANNERS))
      for (const promptIds of prompts) {
        runs.push({ promptIds, sampling, tokens: await replica.generate({ promptIds, sampling, tokensMax: TOKENS }) });
      }
  });
  afterAll(async () => {
    await replica?.[Symbol.asyncDispose]();
    await cache?.[Symbol.asyncDispose]();
  });

  const begunAt = (tokens: readonly ChoiceToken[]): BegunChoice => ({ outputIds: Int32Array.from(tokens, ({ id }) => id), over: false });
  const goOn = ({ promptIds, sampling, tokens }: Run, cut: number) =>
    replica.generate({ promptIds, sampling, tokensMax: TOKENS, begun: [begunAt(tokens.slice(0, cut))] });

  test("go on alone as if nothing had been", async () => {
    for (const [index, run] of runs.entries()) {
      const cut = CUTS[index % CUTS.length] ?? 1;
      expect(await goOn(run, cut), `run ${index} at ${cut}`).toEqual(run.tokens.slice(cut));
    }
  });

  test("go on beside others, at other places, as if nothing had been", async () => {
    for (const shift of [1, 2]) {
      const cuts = runs.map((_, index) => CUTS[(index + shift) % CUTS.length] ?? 1);
      const rests = await Promise.all(runs.map((run, index) => goOn(run, cuts[index] ?? 1)));
      for (const [index, rest] of rests.entries()) expect(rest, `run ${index}`).toEqual(runs[index]?.tokens.slice(cuts[index]));
    }
  });

  test("have replayed what was there in a few runs", () => {
    const { replayRuns, tokensReplayed } = replica.engine.counters;
    expect(tokensReplayed / replayRuns).toBeGreaterThan(8);
  });

  test("go on in several choices of which one is over", async () => {
    const options = { promptIds: prompts[1] ?? [], sampling: SAMPLED, choices: 3, tokensMax: TOKENS };
    const whole = await replica.generate(options);
    const choice = (number: number) => whole.filter((token) => token.choice === number);
    const begun = [begunAt(choice(0).slice(0, 9)), { outputIds: new Int32Array(0), over: true }];
    const rest = await replica.generate({ ...options, begun });
    expect(rest).toEqual([...choice(0).slice(9), ...choice(2)]);
  });
});
