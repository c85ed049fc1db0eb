/**
 * Stages as the scheduler must imagine them: every slot's tokens position by position, garbage included, and the sampling state.
 * The next token is a hash of the exact prefix, the outputs so far, position, choice and seed; a wrong past, a slot given away too
 * early, a copy too short or an admission too late changes it, or reads garbage and throws. Pure.
 */
import type { SamplingParameters } from "../../../../core/model/sampling-parameters.ts";
import type { Step, StepResult, StepToken } from "../../../../core/wire/step.ts";
import { DUMMY_TOKEN } from "../../../../node-agent/generation/decode-run.ts";

const GARBAGE = -1;

interface Slot {
  tokens: number[];
  /** Positions [0, prefilled) were written by prefill runs: only those equal the beginning of another prompt. */
  prefilled: number;
  choice: number;
  sampling: SamplingParameters | undefined;
  outputs: number[];
}

const emptySlot = (): Slot => ({ tokens: [], prefilled: 0, choice: 0, sampling: undefined, outputs: [] });

function mix(hash: number, value: number): number {
  const mixed = Math.imul(hash ^ value, 0x9e3779b1);
  return Math.imul(mixed ^ (mixed >>> 15), 0x85ebca6b) >>> 0;
}

interface Drawn {
  readonly seed: bigint;
  readonly choice: number;
  readonly vocabSize: number;
}

function draw(prefix: readonly number[], outputs: readonly number[], { seed, choice, vocabSize }: Drawn): number {
  let hash = mix(Number(BigInt.asUintN(32, seed)), choice);
  for (const token of prefix) hash = mix(hash, token + 1);
  for (const token of outputs) hash = mix(hash, token + 7);
  hash = mix(hash, outputs.length);
  return 1 + (((hash ^ (hash >>> 13)) >>> 0) % (vocabSize - 1)); // idle rows feed 0
}

/** What a prompt is continued with when it has the stages for itself. */
export function expectedTokens(promptIds: Int32Array, count: number, drawn: Drawn): number[] {
  const prefix = [...promptIds];
  const outputs: number[] = [];
  while (outputs.length < count) {
    const token = draw(prefix, outputs, drawn);
    outputs.push(token);
    prefix.push(token);
  }
  return outputs;
}

export interface StageModelOptions {
  readonly slots: number;
  readonly contextLength: number;
  readonly decodeRowsMin: number;
  readonly vocabSize: number;
  readonly stages: number;
  /** Microseconds that each stage takes. */
  readonly stageUs: (step: Step) => number;
}

export class StageModel {
  readonly #options: StageModelOptions;
  readonly #slots: Slot[];
  #nextStep = 0;

  constructor(options: StageModelOptions) {
    this.#options = options;
    this.#slots = Array.from({ length: options.slots }, emptySlot);
  }

  /** Tokens that slots hold, garbage included. */
  get heldTokens(): number {
    return this.#slots.reduce((sum, slot) => sum + slot.tokens.length, 0);
  }

  run(step: Step): StepResult {
    this.#demand(step.step === this.#nextStep++, `step ${step.step} is in order`);
    for (const slot of step.releases) this.#slots[slot] = emptySlot();
    for (const { from, to, tokens } of step.copies) {
      const source = this.#slot(from);
      this.#demand(from !== to && tokens <= source.tokens.length, `slot ${from} has ${tokens} tokens to copy`);
      const prefilled = Math.min(tokens, source.prefilled);
      this.#slots[to] = { ...source, tokens: source.tokens.slice(0, tokens), prefilled, outputs: [...source.outputs] };
    }
    for (const { slot, choice, sampling, outputIds } of step.admissions) {
      Object.assign(this.#slot(slot), { choice, sampling, outputs: [...outputIds] });
    }
    const tokens: StepToken[] = [];
    const { run } = step;
    if (run.kind === "prefill") {
      this.#demand(run.tokens.length >= 2, `a prefill run has ${run.tokens.length} tokens`);
      const slot = this.#slot(run.slot);
      this.#demand(run.past <= slot.prefilled, `slot ${run.slot} has ${run.past} tokens that prefill runs have written`);
      for (const [index, token] of run.tokens.entries()) this.#feed(run.slot, run.past + index, token);
      slot.prefilled = slot.tokens.length;
      if (run.sample !== undefined) tokens.push(this.#sample(run.slot, run.past + run.sample.row + 1, run.sample.position));
    } else if (run.kind === "replay") {
      this.#demand(run.tokens.length >= 2, `a replay has ${run.tokens.length} tokens`);
      const dummies = 1; // behind a prompt of one token
      this.#demand(run.past >= this.#slot(run.slot).prefilled - dummies, "replays follow the whole prompt");
      for (const [index, token] of run.tokens.entries()) this.#feed(run.slot, run.past + index, token);
    } else if (run.kind === "decode") {
      this.#demand(run.rows.length >= this.#options.decodeRowsMin, `a decode run has ${run.rows.length} rows`);
      this.#demand(
        run.rows.some((row) => row.token !== DUMMY_TOKEN),
        "a decode run has a row that is not idle",
      );
      for (const [index, row] of run.rows.entries()) {
        const slot = run.firstSlot + index;
        this.#feed(slot, row.past, row.token === DUMMY_TOKEN ? GARBAGE : row.token);
        if (row.position !== undefined) tokens.push(this.#sample(slot, row.past + 1, row.position));
      }
    } else this.#demand(step.releases.length > 0, "a step without a run has something to release");
    const us = run.kind === "none" ? 0 : this.#options.stageUs(step);
    return { epoch: step.epoch, step: step.step, tokens, stageUs: Array.from({ length: this.#options.stages }, () => us) };
  }

  #feed(index: number, past: number, token: number): void {
    const slot = this.#slot(index);
    this.#demand(past <= slot.tokens.length, `slot ${index} holds ${slot.tokens.length} tokens, the run begins at ${past}`);
    this.#demand(past < this.#options.contextLength, `position ${past} lies in the context`);
    slot.tokens.length = past;
    slot.tokens.push(token);
    slot.prefilled = Math.min(slot.prefilled, past);
  }

  #sample(index: number, held: number, position: number): StepToken {
    const slot = this.#slot(index);
    const { sampling } = slot;
    this.#demand(sampling !== undefined, `slot ${index} was admitted`);
    const prefix = slot.tokens.slice(0, held);
    this.#demand(!prefix.includes(GARBAGE), `slot ${index} holds no garbage among its first ${held} tokens`);
    this.#demand(position === slot.outputs.length, `position ${position} follows ${slot.outputs.length} outputs`);
    const drawn = { seed: sampling?.seed ?? 0n, choice: slot.choice, vocabSize: this.#options.vocabSize };
    const id = draw(prefix, slot.outputs, drawn);
    slot.outputs.push(id);
    return { slot: index, position, id, logprob: undefined, topLogprobs: [] };
  }

  #slot(index: number): Slot {
    const slot = this.#slots[index];
    if (slot === undefined) throw new Error(`model: slot ${index} does not exist`);
    return slot;
  }

  #demand(holds: boolean, what: string): void {
    if (!holds) throw new Error(`model: not so that ${what}`);
  }
}
