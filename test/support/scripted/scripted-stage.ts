/**
 * A language model that is no model: the next token is a hash of everything fed to the slot so far, of the output position, the
 * choice and the seed. Any token lost, repeated or mixed up between slots changes the text from there on, so that a test which
 * compares with `scriptedTokens` proves the whole path. Pure.
 */
import { assert } from "../../../core/errors.ts";
import type { SamplingParameters } from "../../../core/model/sampling-parameters.ts";
import { SlotLedger } from "../../../core/wire/slot-ledger.ts";
import type { DecodeRun, PrefillRun, ReplayRun, Step, StepToken } from "../../../core/wire/step.ts";
import { checkStep, type StepLimits } from "../../../core/wire/step-check.ts";

export const SCRIPTED_VOCAB_SIZE = 1000;

const EMPTY = 0x811c9dc5;

/** 32-bit mixing as in MurmurHash3's finalizer (Appleby). */
function mix(hash: number, value: number): number {
  let h = Math.imul(hash ^ value, 0x9e3779b1);
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

const extend = (prefix: number, token: number): number => mix(prefix, token + 1);

interface Draw {
  readonly seed: bigint;
  readonly choice: number;
  readonly vocabSize: number;
}

function nextToken(prefix: number, position: number, draw: Draw): number {
  const seedLow = Number(BigInt.asUintN(32, draw.seed));
  const seedHigh = Number(BigInt.asUintN(32, draw.seed >> 32n));
  return mix(mix(mix(mix(prefix, position), draw.choice), seedLow), seedHigh) % draw.vocabSize;
}

export interface ScriptedTokensOptions {
  readonly seed: bigint;
  readonly choice: number;
  /** SCRIPTED_VOCAB_SIZE unless said. */
  readonly vocabSize?: number;
}

/** The first `count` tokens that scripted stages give for this prompt: what every scheduling of it must come to. */
export function scriptedTokens(promptIds: Iterable<number>, count: number, options: ScriptedTokensOptions): number[] {
  const draw: Draw = { ...options, vocabSize: options.vocabSize ?? SCRIPTED_VOCAB_SIZE };
  let prefix = EMPTY;
  for (const id of promptIds) prefix = extend(prefix, id);
  const tokens: number[] = [];
  for (let position = 0; position < count; position++) {
    const token = nextToken(prefix, position, draw);
    tokens.push(token);
    prefix = extend(prefix, token);
  }
  return tokens;
}

interface Occupant {
  readonly choice: number;
  readonly sampling: SamplingParameters;
}

/** One stage's slots in one epoch. */
export class ScriptedStage {
  readonly #limits: StepLimits;
  readonly #ledger: SlotLedger;
  /** Per slot the hash of its first n tokens at index n. */
  readonly #prefixes: number[][];
  readonly #occupants = new Map<number, Occupant>();
  #nextStep: number | undefined;

  constructor(limits: StepLimits) {
    this.#limits = limits;
    this.#ledger = new SlotLedger(limits.slots);
    this.#prefixes = Array.from({ length: limits.slots }, () => [EMPTY]);
  }

  /**
   * Does the step and returns the tokens that a last stage would send.
   * @throws ServingError when the step breaks a rule: out of bounds, out of order, over tokens that its slot does not hold.
   */
  run(step: Step): StepToken[] {
    checkStep(step, this.#limits);
    this.#checkOrder(step.step);
    this.#ledger.apply(step);
    for (const copy of step.copies) {
      this.#prefixes[copy.to] = this.#prefix(copy.from).slice(0, copy.tokens + 1);
      const occupant = this.#occupants.get(copy.from);
      if (occupant !== undefined) this.#occupants.set(copy.to, occupant);
    }
    for (const { slot, choice, sampling } of step.admissions) this.#occupants.set(slot, { choice, sampling });
    switch (step.run.kind) {
      case "prefill":
        return this.#prefill(step.run);
      case "replay":
        this.#feedAll(step.run);
        return [];
      case "decode":
        return this.#decode(step.run);
      case "none":
        return [];
    }
  }

  #prefill(run: PrefillRun): StepToken[] {
    this.#feedAll(run);
    if (run.sample === undefined) return [];
    return [this.#sample(run.slot, run.past + run.sample.row + 1, run.sample.position)];
  }

  #feedAll({ slot, past, tokens }: PrefillRun | ReplayRun): void {
    for (const [index, token] of tokens.entries()) this.#feed(slot, past + index, token);
  }

  #decode(run: DecodeRun): StepToken[] {
    const tokens: StepToken[] = [];
    for (const [index, row] of run.rows.entries()) {
      const slot = run.firstSlot + index;
      this.#feed(slot, row.past, row.token);
      if (row.position !== undefined) tokens.push(this.#sample(slot, row.past + 1, row.position));
    }
    return tokens;
  }

  #feed(slot: number, past: number, token: number): void {
    const prefixes = this.#prefix(slot);
    prefixes.length = past + 1;
    prefixes.push(extend(prefixes[past] ?? EMPTY, token));
  }

  #sample(slot: number, held: number, position: number): StepToken {
    const occupant = this.#occupants.get(slot);
    assert(occupant !== undefined, `slot ${slot} is sampled and nothing was admitted to it`);
    const { choice, sampling } = occupant;
    const draw = { seed: sampling.seed, choice, vocabSize: this.#limits.vocabSize };
    const id = nextToken(this.#prefix(slot)[held] ?? EMPTY, position, draw);
    const wanted = sampling.topLogprobs;
    const topLogprobs = Array.from({ length: wanted ?? 0 }, (_, rank) => [(id + rank) % draw.vocabSize, -0.5 - rank] as const);
    return { slot, position, id, logprob: wanted === undefined ? undefined : -0.5, topLogprobs };
  }

  #prefix(slot: number): number[] {
    return this.#prefixes[slot] ?? [EMPTY];
  }

  #checkOrder(step: number): void {
    const wanted = this.#nextStep ?? step;
    assert(step === wanted, `step ${step} arrived where step ${wanted} belongs`);
    this.#nextStep = step + 1;
  }
}
