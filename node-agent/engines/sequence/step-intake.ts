/** Makes steps of sequences out of requests, or says in Triton's words why they are none. */
import { ServingError } from "../../../core/errors.ts";
import type { Upcalls } from "../../../core/messages/calling-request.ts";
import type { InferSubmit } from "../../../core/messages/infer.ts";
import type { InferSink } from "../../../core/messages/infer-sink.ts";
import { type SequenceFlags, type SequencePassage, sequenceFlags, sequenceKey } from "../../../core/messages/sequence-step.ts";
import { moreThanOneRow, noCorrelationId } from "../../scheduling/sequence-refusals.ts";
import { HostedRequest } from "../batch/hosted-request.ts";
import { RequestForms } from "../batch/request-form.ts";
import type { SequencePlan } from "./sequence-plan.ts";
import { AnswerRelay, SequenceStep } from "./sequence-step.ts";

/** Of a request that did not come through a gateway. */
const NO_PASSAGE: SequencePassage = { token: "", from: "", start: "", answered: 0 };

interface Arrival {
  readonly nowMs: number;
  /** The way to models elsewhere, where the model may call some. */
  readonly upcalls: Upcalls | undefined;
}

export class StepIntake {
  readonly #model: string;
  readonly #forms: RequestForms;
  readonly #corrid: { readonly name: string; readonly dtype: string } | undefined;
  readonly #iterative: boolean;
  #generated = 0n;

  constructor(model: string, { batch, inputs, controls, iterative }: SequencePlan) {
    this.#model = model;
    this.#forms = new RequestForms(model, { ...batch, inputs });
    this.#corrid = controls.find(({ kind }) => kind === "corrid");
    this.#iterative = iterative;
  }

  /** @throws ServingError INVALID_ARGUMENT */
  step(submit: InferSubmit, sink: InferSink, { nowMs, upcalls }: Arrival): SequenceStep {
    const flags = this.#iterative ? this.#ownSequence() : sequenceFlags(submit.parameters);
    const { id } = flags;
    if (id !== undefined) this.#checkKind(submit, id);
    const rows = this.#forms.rows(submit);
    if (rows > 1) throw moreThanOneRow(this.#model);
    if (id === undefined) throw noCorrelationId(this.#model);
    const relay = new AnswerRelay(sink);
    const hosted = new HostedRequest(submit, relay, { rows, form: this.#forms.form(submit), nowMs });
    hosted.upcalls = upcalls;
    const key = `${submit.tenant}/${this.#iterative ? "own" : ""}${sequenceKey(id)}`;
    return new SequenceStep({ hosted, relay, key, id, flags, passage: submit.sequence ?? NO_PASSAGE });
  }

  /** Every request is a sequence of its own: no backend here reschedules one. */
  #ownSequence(): SequenceFlags & { readonly id: bigint } {
    this.#generated += 1n;
    return { id: this.#generated, start: true, end: true, step: undefined };
  }

  #checkKind({ id: request }: InferSubmit, id: string | bigint): void {
    if (this.#corrid === undefined) return;
    const { name, dtype } = this.#corrid;
    if ((typeof id === "string") === (dtype === "BYTES")) return;
    const given = typeof id === "string" ? "BYTES" : "UINT64";
    throw new ServingError(
      "INVALID_ARGUMENT",
      `[request id: ${request === "" ? "<id_unknown>" : request}] sequence batching control '${name}' data-type is '${given}', but model '${this.#model}' expects '${dtype}'`,
    );
  }
}
