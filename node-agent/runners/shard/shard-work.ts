/** What a shard's stage does with a step: checks it, moves slots, runs the graph and, on the last stage, samples. */
import { ServingError } from "../../../core/errors.ts";
import { SlotLedger } from "../../../core/wire/slot-ledger.ts";
import type { StageOutput, StageWork } from "../../../core/wire/stage-link.ts";
import type { Step, StepToken } from "../../../core/wire/step.ts";
import { checkActivations, checkStep, type StepLimits } from "../../../core/wire/step-check.ts";
import { Sampler } from "../../sampling/sampler.ts";
import { SequenceSampling } from "../../sampling/sequence-sampling.ts";
import { replay } from "./replay.ts";
import type { RunOutput, ShardSession } from "./shard-session.ts";

export class ShardWork implements StageWork {
  readonly #session: ShardSession;
  readonly #limits: StepLimits;
  readonly #sampler: Sampler | undefined;
  readonly #sequences = new Map<number, SequenceSampling>();
  /** Both halves of incoming activations are copied here as bytes. */
  readonly #hiddenBytes: Uint8Array;
  readonly #addendBytes: Uint8Array;
  #ledger: SlotLedger;

  constructor(session: ShardSession) {
    const { vocabSize } = session.description;
    this.#session = session;
    this.#limits = { slots: session.slots, contextLength: session.contextLength, vocabSize };
    this.#sampler = session.last ? new Sampler(vocabSize) : undefined;
    this.#hiddenBytes = new Uint8Array(session.hiddenIn.buffer);
    this.#addendBytes = new Uint8Array(session.addendIn.buffer);
    this.#ledger = new SlotLedger(session.slots);
  }

  reset(): void {
    this.#session.cache.releaseAll();
    this.#sequences.clear();
    this.#ledger = new SlotLedger(this.#session.slots);
  }

  run(step: Step, activations: Uint8Array): StageOutput {
    checkStep(step, this.#limits);
    this.#takeActivations(step, activations);
    this.#ledger.apply(step);
    this.#moveSlots(step);
    const output = this.#runGraph(step);
    if (this.#sampler !== undefined) return { kind: "tokens", tokens: this.#sample(step, output, this.#sampler) };
    return { kind: "activations", parts: output === undefined ? [] : [bytesOf(output.hidden), bytesOf(output.addend)] };
  }

  #takeActivations(step: Step, activations: Uint8Array): void {
    const { first, description } = this.#session;
    if (first) {
      if (activations.byteLength > 0) throw new ServingError("INVALID_ARGUMENT", "activations were sent to the first stage");
      return;
    }
    checkActivations(step.run, description.hiddenSize, activations.byteLength);
    const half = activations.byteLength / 2;
    this.#hiddenBytes.set(activations.subarray(0, half));
    this.#addendBytes.set(activations.subarray(half));
  }

  #moveSlots(step: Step): void {
    for (const slot of step.releases) {
      this.#session.cache.release(slot);
      this.#sequences.delete(slot);
    }
    for (const copy of step.copies) {
      this.#session.cache.copy(copy);
      const sequence = this.#sequences.get(copy.from);
      if (sequence !== undefined) this.#sequences.set(copy.to, sequence.copy());
    }
    if (this.#sampler === undefined) return;
    for (const admission of step.admissions) this.#sequences.set(admission.slot, SequenceSampling.admit(admission));
  }

  #runGraph(step: Step): RunOutput | undefined {
    switch (step.run.kind) {
      case "prefill":
        return this.#session.prefill(step.run);
      case "replay":
        return replay(this.#session, step.run, (slot) => this.#ledger.held(slot));
      case "decode":
        return this.#session.decode(step.run);
      case "none":
        return undefined;
    }
  }

  #sample(step: Step, output: RunOutput | undefined, sampler: Sampler): StepToken[] {
    const tokens: StepToken[] = [];
    for (const { slot, position } of wantedRows(step.run)) {
      const sequence = this.#sequences.get(slot);
      if (sequence === undefined || output === undefined)
        throw new ServingError("FAILED_PRECONDITION", `slot ${slot} is sampled and nothing was admitted to it`, { reason: "bad_step" });
      const { vocabSize } = this.#limits;
      const logits = output.logits.subarray(tokens.length * vocabSize, (tokens.length + 1) * vocabSize);
      const token = sampler.sample(logits, sequence, position);
      sequence.add(token.id);
      tokens.push({ ...token, slot, position });
    }
    return tokens;
  }
}

/** The rows whose logits are sampled, in the order of the run. */
function wantedRows(run: Step["run"]): readonly { readonly slot: number; readonly position: number }[] {
  switch (run.kind) {
    case "prefill":
      return run.sample === undefined ? [] : [{ slot: run.slot, position: run.sample.position }];
    case "decode":
      return run.rows.flatMap(({ position }, index) => (position === undefined ? [] : [{ slot: run.firstSlot + index, position }]));
    case "replay":
    case "none":
      return [];
  }
}

const bytesOf = (floats: Float32Array): Uint8Array => new Uint8Array(floats.buffer, floats.byteOffset, floats.byteLength);
