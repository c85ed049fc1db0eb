/** Sampling as plainly as it can be said: sorts everything, normalizes at every stage. What the fast one must equal. */
import type { SamplingParameters } from "../../../../core/model/sampling-parameters.ts";
import { counterRandom } from "../../../../core/random.ts";

interface Candidate {
  readonly id: number;
  readonly logit: number;
  readonly probability: number;
}

export interface History {
  readonly promptIds: readonly number[];
  readonly outputIds: readonly number[];
}

export function referenceAdjusted(logits: readonly number[], parameters: SamplingParameters, history: History): number[] {
  const seen = new Set([...history.promptIds, ...history.outputIds]);
  const biases = new Map<number, number>();
  for (const [id, bias] of parameters.logitBias) biases.set(id, (biases.get(id) ?? 0) + bias);
  return logits.map((logit, id) => {
    let adjusted = Math.fround(logit);
    const penalty = parameters.repetitionPenalty;
    if (penalty !== 1 && seen.has(id)) adjusted = Math.fround(adjusted > 0 ? adjusted / penalty : adjusted * penalty);
    const count = history.outputIds.filter((output) => output === id).length;
    if (count > 0) adjusted = Math.fround(adjusted - parameters.presencePenalty - count * parameters.frequencyPenalty);
    return Math.fround(adjusted + (biases.get(id) ?? 0));
  });
}

/** The tokens that may be drawn, most likely first, with probabilities that add up to 1. */
export function referenceKept(adjusted: readonly number[], parameters: SamplingParameters): Candidate[] {
  const { temperature, topK, topP, minP } = parameters;
  const max = Math.max(...adjusted);
  const all = adjusted.map((logit, id) => ({ id, logit, probability: Math.exp((logit - max) / temperature) }));
  all.sort((a, b) => b.logit - a.logit || a.id - b.id);
  const byTopK = normalized(topK > 0 ? all.slice(0, topK) : all);
  let sum = 0;
  const before = byTopK.map(({ probability }) => {
    sum += probability;
    return sum - probability;
  });
  const byTopP = normalized(topP < 1 ? byTopK.filter((_, rank) => rank === 0 || (before[rank] ?? 0) < topP) : byTopK);
  const floor = minP > 0 ? max + temperature * Math.log(minP) : Number.NEGATIVE_INFINITY;
  return normalized(byTopP.filter(({ logit }) => logit >= floor));
}

function normalized(candidates: readonly Candidate[]): Candidate[] {
  const sum = candidates.reduce((total, { probability }) => total + probability, 0);
  return candidates.map((candidate) => ({ ...candidate, probability: candidate.probability / sum }));
}

export function referenceSample(adjusted: readonly number[], parameters: SamplingParameters, choice: number, position: number): number {
  if (parameters.temperature === 0) return adjusted.indexOf(Math.max(...adjusted));
  const kept = referenceKept(adjusted, parameters);
  const filtered = parameters.topK > 0 || parameters.topP < 1 || parameters.minP > 0;
  if (!filtered) kept.sort((a, b) => a.id - b.id);
  const chance = counterRandom(parameters.seed, choice, position);
  let sum = 0;
  for (const { id, probability } of kept) {
    sum += probability;
    if (sum > chance) return id;
  }
  return kept.at(-1)?.id ?? -1;
}

export function referenceLogprobs(adjusted: readonly number[]): number[] {
  const max = Math.max(...adjusted);
  const logTotal = max + Math.log(adjusted.reduce((total, logit) => total + Math.exp(logit - max), 0));
  return adjusted.map((logit) => logit - logTotal);
}
