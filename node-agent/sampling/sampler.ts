/**
 * Picks the next token. The order of Hugging Face's `generate` and of vLLM: penalties and biases, log probabilities,
 * temperature, top-k, top-p over what top-k kept, min-p. Tokens of equal logits rank by id; top-k keeps exactly k. The chance is
 * `counterRandom(seed, choice, position)`, so that a token is a function of its logits and parameters alone. Pure.
 */
import { ServingError } from "../../core/errors.ts";
import type { SampledToken } from "../../core/model/sampling-parameters.ts";
import { counterRandom } from "../../core/random.ts";
import { decay } from "./decay.ts";
import { Ranking } from "./ranking.ts";
import type { SequenceSampling } from "./sequence-sampling.ts";

/** Sums of the same weights in another order differ by less. */
const ROUNDING = 1e-9;

/** Holds the buffers that sampling needs: one per runner, used for one row at a time. */
export class Sampler {
  readonly #ranking: Ranking;
  /** Unnormalized probabilities, by id or by rank. */
  readonly #weights: Float64Array;

  constructor(vocabSize: number) {
    this.#ranking = new Ranking(vocabSize);
    this.#weights = new Float64Array(vocabSize);
  }

  /**
   * The token at output position `position`; the caller tells `sequence` of it when it counts.
   * @param logits f32[vocab]; changed in place when there are penalties or biases
   * @throws ServingError INTERNAL when the logits hold no finite maximum: the model is broken.
   */
  sample(logits: Float32Array, sequence: SequenceSampling, position: number): SampledToken {
    const { parameters, choice } = sequence;
    if (sequence.penalized || parameters.logitBias.length > 0) sequence.adjust(logits);
    const max = largest(logits);
    if (!Number.isFinite(max)) throw new ServingError("INTERNAL", `the model gave logits whose maximum is ${max}`);
    const { temperature, topK, topP, minP, topLogprobs } = parameters;
    let id: number;
    if (temperature === 0) id = logits.indexOf(max);
    else {
      const chance = counterRandom(parameters.seed, choice, position);
      const filtered = topK > 0 || topP < 1 || minP > 0;
      id = filtered ? this.#drawFiltered(logits, max, sequence, chance) : this.#drawAny(logits, max, temperature, chance);
    }
    if (topLogprobs === undefined) return { id, logprob: undefined, topLogprobs: [] };
    const logTotal = max + Math.log(total(logits, max, 1));
    const logprob = (logits[id] ?? 0) - logTotal;
    return { id, logprob, topLogprobs: this.#mostLikely(logits, max, topLogprobs, logTotal) };
  }

  /** Over the whole vocabulary, in the order of ids. */
  #drawAny(logits: Float32Array, max: number, temperature: number, chance: number): number {
    const weights = this.#weights;
    let sum = 0;
    for (let id = 0; id < logits.length; id++) {
      const weight = decay((max - (logits[id] ?? 0)) / temperature);
      weights[id] = weight;
      sum += weight;
    }
    return pick(weights, logits.length, sum, chance);
  }

  #drawFiltered(logits: Float32Array, max: number, sequence: SequenceSampling, chance: number): number {
    const { temperature, topK, topP, minP } = sequence.parameters;
    const floor = minP > 0 ? max + temperature * Math.log(minP) : Number.NEGATIVE_INFINITY;
    // Top-p of what top-k kept is a share of all k, those below min-p's floor too: they must be ranked.
    const from = { max, temperature, floor: topK > 0 ? Number.NEGATIVE_INFINITY : floor };
    const everything = topK === 0 && topP < 1 ? total(logits, max, temperature) : undefined;
    const ranking = this.#ranking;
    ranking.rank(logits, from, () => {
      if (topK > 0) return ranking.count >= topK;
      return everything !== undefined && this.#weigh(logits, max, temperature, ranking.count) > topP * everything * (1 + ROUNDING);
    });
    const ranked = topK > 0 ? Math.min(topK, ranking.count) : ranking.count;
    const mass = this.#weigh(logits, max, temperature, ranked);
    const kept = topP < 1 ? this.#nucleus(ranked, topP * (everything ?? mass)) : ranked;
    let sum = 0;
    let count = 0;
    while (count < kept && (logits[ranking.id(count)] ?? 0) >= floor) sum += this.#weights[count++] ?? 0;
    return ranking.id(pick(this.#weights, count, sum, chance));
  }

  /** Fills the weights of the first `count` ranks and gives their sum. */
  #weigh(logits: Float32Array, max: number, temperature: number, count: number): number {
    let sum = 0;
    for (let rank = 0; rank < count; rank++) {
      const weight = decay((max - (logits[this.#ranking.id(rank)] ?? 0)) / temperature);
      this.#weights[rank] = weight;
      sum += weight;
    }
    return sum;
  }

  /** How many ranks it takes to reach `share`; at least one. */
  #nucleus(count: number, share: number): number {
    let sum = 0;
    for (let rank = 0; rank < count; rank++) {
      sum += this.#weights[rank] ?? 0;
      if (sum >= share) return rank + 1;
    }
    return count;
  }

  #mostLikely(logits: Float32Array, max: number, wanted: number, logTotal: number): SampledToken["topLogprobs"] {
    if (wanted === 0) return [];
    const ranking = this.#ranking;
    const from = { max, temperature: 1, floor: Number.NEGATIVE_INFINITY };
    ranking.rank(logits, from, () => ranking.count >= wanted);
    return Array.from({ length: Math.min(wanted, ranking.count) }, (_, rank) => {
      const id = ranking.id(rank);
      return [id, (logits[id] ?? 0) - logTotal] as const;
    });
  }
}

/** NaN counts as nothing. Four at a time, so that comparisons do not wait for one another. */
function largest(logits: Float32Array): number {
  let [a, b, c, d] = [Number.NEGATIVE_INFINITY, Number.NEGATIVE_INFINITY, Number.NEGATIVE_INFINITY, Number.NEGATIVE_INFINITY];
  const whole = logits.length - (logits.length % 4);
  for (let id = 0; id < whole; id += 4) {
    const w = logits[id] ?? 0;
    const x = logits[id + 1] ?? 0;
    const y = logits[id + 2] ?? 0;
    const z = logits[id + 3] ?? 0;
    if (w > a) a = w;
    if (x > b) b = x;
    if (y > c) c = y;
    if (z > d) d = z;
  }
  for (let id = whole; id < logits.length; id++) a = Math.max(a, logits[id] ?? 0);
  return Math.max(a, b, c, d);
}

/** The sum of e^((logit - max) / temperature): the softmax's denominator. */
function total(logits: Float32Array, max: number, temperature: number): number {
  let sum = 0;
  for (let id = 0; id < logits.length; id++) sum += decay((max - (logits[id] ?? 0)) / temperature);
  return sum;
}

/** The index at which the running sum passes `chance` of `sum`; the last one with any weight when rounding keeps it from that. */
function pick(weights: Float64Array, count: number, sum: number, chance: number): number {
  const wanted = chance * sum;
  let passed = 0;
  let last = 0;
  for (let index = 0; index < count; index++) {
    const weight = weights[index] ?? 0;
    if (weight === 0) continue;
    last = index;
    passed += weight;
    if (passed > wanted) return index;
  }
  return last;
}
