/** What sampling for one sequence depends on: its parameters and, for penalties, the tokens that it has seen. Pure. */
import type { SamplingParameters } from "../../core/model/sampling-parameters.ts";
import type { Admission } from "../../core/wire/step.ts";

/** Counts kept only when a penalty asks for them. */
export class SequenceSampling {
  readonly choice: number;
  readonly parameters: SamplingParameters;
  readonly #prompt: ReadonlySet<number>;
  /** Occurrences in the output by id. */
  readonly #output: Map<number, number>;

  private constructor(choice: number, parameters: SamplingParameters, prompt: ReadonlySet<number>, output: Map<number, number>) {
    this.choice = choice;
    this.parameters = parameters;
    this.#prompt = prompt;
    this.#output = output;
  }

  static admit(admission: Omit<Admission, "slot">): SequenceSampling {
    const { choice, sampling } = admission;
    const prompt = sampling.repetitionPenalty === 1 ? [] : admission.promptIds;
    const sequence = new SequenceSampling(choice, sampling, new Set(prompt), new Map());
    for (const id of admission.outputIds) sequence.add(id);
    return sequence;
  }

  /** One that goes its own way from here on. */
  copy(): SequenceSampling {
    return new SequenceSampling(this.choice, this.parameters, this.#prompt, new Map(this.#output));
  }

  get penalized(): boolean {
    const { repetitionPenalty, presencePenalty, frequencyPenalty } = this.parameters;
    return repetitionPenalty !== 1 || presencePenalty !== 0 || frequencyPenalty !== 0;
  }

  /** A token was emitted. */
  add(id: number): void {
    if (this.penalized) this.#output.set(id, (this.#output.get(id) ?? 0) + 1);
  }

  /**
   * Repetition penalty over prompt and output (CTRL: positive logits are divided, negative ones multiplied), then presence and
   * frequency penalties over the output, then biases.
   * @param logits f32[vocab], changed in place
   */
  adjust(logits: Float32Array): void {
    const { repetitionPenalty, presencePenalty, frequencyPenalty, logitBias } = this.parameters;
    if (repetitionPenalty !== 1) {
      for (const id of this.#prompt) repeated(logits, id, repetitionPenalty);
      for (const id of this.#output.keys()) if (!this.#prompt.has(id)) repeated(logits, id, repetitionPenalty);
    }
    if (presencePenalty !== 0 || frequencyPenalty !== 0)
      for (const [id, count] of this.#output) logits[id] = (logits[id] ?? 0) - presencePenalty - count * frequencyPenalty;
    for (const [id, bias] of logitBias) logits[id] = (logits[id] ?? 0) + bias;
  }
}

function repeated(logits: Float32Array, id: number, penalty: number): void {
  const logit = logits[id] ?? 0;
  logits[id] = logit > 0 ? logit / penalty : logit * penalty;
}
