import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { GREEDY, type SamplingParameters } from "../../../../core/model/sampling-parameters.ts";
import { seededRandom } from "../../../../core/random.ts";
import { decay } from "../../../../node-agent/sampling/decay.ts";
import { Sampler } from "../../../../node-agent/sampling/sampler.ts";
import { SequenceSampling } from "../../../../node-agent/sampling/sequence-sampling.ts";
import { type History, referenceAdjusted, referenceKept, referenceLogprobs, referenceSample } from "./reference.ts";

const SEED = 20_261_123;
const VOCAB_SIZE = 300;
const sampler = new Sampler(VOCAB_SIZE);
const NO_HISTORY: History = { promptIds: [], outputIds: [] };

const admit = (parameters: SamplingParameters, history: History = NO_HISTORY, choice = 0) =>
  SequenceSampling.admit({
    choice,
    sampling: parameters,
    promptIds: Int32Array.from(history.promptIds),
    outputIds: Int32Array.from(history.outputIds),
  });
const with_ = (changed: Partial<SamplingParameters>): SamplingParameters => ({ ...GREEDY, ...changed });

/** A few tokens stand out, many are alike, some are exactly equal. */
const logitsOf = fc.tuple(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), fc.constantFrom(0.1, 1, 6, 40)).map(([seed, spread]) => {
  const random = seededRandom(seed);
  return Array.from({ length: VOCAB_SIZE }, () => Math.fround(Math.round((random.next() + random.next() - 1) * spread * 8) / 8));
});
const parametersOf = fc.record<SamplingParameters>({
  temperature: fc.constantFrom(0, 0.01, 0.3, 1, 2),
  topK: fc.constantFrom(0, 0, 1, 2, 17, 299, 300, 5000),
  topP: fc.constantFrom(1, 1, 1e-9, 0.1, 0.5, 0.9, 0.999999),
  minP: fc.constantFrom(0, 0, 1e-6, 0.05, 0.5, 1),
  repetitionPenalty: fc.constantFrom(1, 1, 1.3, 0.7),
  presencePenalty: fc.constantFrom(0, 0, 0.5, -1),
  frequencyPenalty: fc.constantFrom(0, 0, 0.3, -2),
  logitBias: fc.array(fc.tuple(fc.nat(VOCAB_SIZE - 1), fc.integer({ min: -100, max: 100 })), { maxLength: 3 }),
  seed: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
  topLogprobs: fc.constantFrom(undefined, 0, 5, 20),
});
const ids = fc.array(fc.nat(VOCAB_SIZE - 1), { maxLength: 20 });
const historyOf: fc.Arbitrary<History> = fc.record({ promptIds: ids, outputIds: ids });

describe("against the plain reference", () => {
  test("the same token is drawn, whatever the parameters", () => {
    fc.assert(
      fc.property(logitsOf, parametersOf, historyOf, fc.nat(7), fc.nat(5000), (logits, parameters, history, choice, position) => {
        const adjusted = referenceAdjusted(logits, parameters, history);
        const token = sampler.sample(Float32Array.from(logits), admit(parameters, history, choice), position);
        expect(token.id).toBe(referenceSample(adjusted, parameters, choice, position));
      }),
      { seed: SEED, numRuns: 3000 },
    );
  });

  test("log probabilities are those before temperature and filters, most likely first", () => {
    fc.assert(
      fc.property(logitsOf, parametersOf, historyOf, (logits, parameters, history) => {
        const logprobs = referenceLogprobs(referenceAdjusted(logits, parameters, history));
        const token = sampler.sample(Float32Array.from(logits), admit(parameters, history), 0);
        expect(token.topLogprobs).toHaveLength(parameters.topLogprobs ?? 0);
        if (parameters.topLogprobs === undefined) expect(token.logprob).toBeUndefined();
        else expect(token.logprob).toBeCloseTo(logprobs[token.id] ?? 0, 5);
        const best = [...logprobs].sort((a, b) => b - a);
        for (const [rank, [id, logprob]] of token.topLogprobs.entries()) {
          expect(logprob).toBeCloseTo(logprobs[id] ?? 0, 5);
          expect(logprob).toBeCloseTo(best[rank] ?? 0, 5);
        }
      }),
      { seed: SEED, numRuns: 500 },
    );
  });

  test("tokens come as often as their probability says", () => {
    const logits = Array.from({ length: VOCAB_SIZE }, (_, id) => (id < 5 ? 5 - id * 0.5 : -20));
    const parameters = with_({ temperature: 0.8, topP: 0.95, seed: 7n });
    const counts = new Map<number, number>();
    const draws = 20_000;
    for (let position = 0; position < draws; position++) {
      const { id } = sampler.sample(Float32Array.from(logits), admit(parameters), position);
      counts.set(id, (counts.get(id) ?? 0) + 1);
    }
    const kept = referenceKept(logits, parameters);
    expect([...counts.keys()].sort()).toEqual(kept.map(({ id }) => id).sort());
    for (const { id, probability } of kept) expect((counts.get(id) ?? 0) / draws).toBeCloseTo(probability, 1.7);
  });
});

test("greedy takes the largest logit, the lowest id on a tie, and both zeros are equal", () => {
  const logits = new Float32Array(VOCAB_SIZE).fill(-1);
  logits[7] = 0;
  logits[3] = -0;
  logits[100] = 0;
  expect(sampler.sample(logits, admit(GREEDY), 0).id).toBe(3);
  expect(sampler.sample(logits, admit(with_({ temperature: 1, topK: 1 })), 0).id).toBe(3);
});

test("a top_p of almost nothing is greedy, at any temperature and position", () => {
  fc.assert(
    fc.property(logitsOf, fc.constantFrom(0.1, 1, 2), fc.nat(1000), (logits, temperature, position) => {
      const token = sampler.sample(Float32Array.from(logits), admit(with_({ temperature, topP: 1e-9 })), position);
      expect(token.id).toBe(logits.indexOf(Math.max(...logits)));
    }),
    { seed: SEED, numRuns: 300 },
  );
});

test("a token depends on seed, choice and position, and on nothing drawn before", () => {
  const logits = Float32Array.from({ length: VOCAB_SIZE }, (_, id) => Math.sin(id));
  const parameters = with_({ temperature: 1, seed: 99n });
  const draw = (choice: number, position: number) => sampler.sample(logits, admit(parameters, NO_HISTORY, choice), position).id;
  const drawn = Array.from({ length: 40 }, (_, position) => draw(0, position));
  expect(Array.from({ length: 40 }, (_, position) => draw(0, position))).toEqual(drawn);
  expect(Array.from({ length: 40 }, (_, position) => draw(1, position))).not.toEqual(drawn);
  expect(new Set(drawn).size).toBeGreaterThan(20);
});

test("emitted tokens count for penalties, and a copy goes its own way", () => {
  const parameters = with_({ frequencyPenalty: 1 });
  const flat = () => new Float32Array(VOCAB_SIZE);
  const sequence = admit(parameters);
  sequence.add(0);
  const copy = sequence.copy();
  copy.add(1);
  expect(sampler.sample(flat(), sequence, 0).id).toBe(1);
  expect(sampler.sample(flat(), copy, 0).id).toBe(2);
});

test("logits without a finite maximum are an error, not a token", () => {
  const parameters = with_({ temperature: 1 });
  expect(() => sampler.sample(new Float32Array(VOCAB_SIZE).fill(Number.NaN), admit(parameters), 0)).toThrow(/maximum/);
  expect(() => sampler.sample(new Float32Array(VOCAB_SIZE).fill(Number.POSITIVE_INFINITY), admit(GREEDY), 0)).toThrow(/Infinity/);
});

test("tokens that the model rules out with minus infinity are never drawn", () => {
  const logits = new Float32Array(VOCAB_SIZE).fill(Number.NEGATIVE_INFINITY);
  logits[5] = 1;
  logits[9] = 1;
  for (let position = 0; position < 200; position++) {
    for (const parameters of [with_({ temperature: 2 }), with_({ temperature: 2, topP: 0.99 }), with_({ temperature: 2, topK: 50 })])
      expect([5, 9]).toContain(sampler.sample(logits, admit(parameters), position).id);
  }
});

test("the fast exponential has a relative error below 2e-12 and ends at zero", () => {
  for (let x = 0; x < 64; x += 0.0173) expect(Math.abs(decay(x) / Math.exp(-x) - 1)).toBeLessThan(2e-12);
  expect([decay(0), decay(64), decay(Number.POSITIVE_INFINITY), decay(Number.NaN)]).toEqual([1, 0, 0, 0]);
});
