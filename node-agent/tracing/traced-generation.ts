/**
 * A generation as a part of a trace: a span for the model; below it the queue, the prompt's run to the first token, the decoding with
 * each token's time, and one for each stage with what it computed.
 */
import type { Clock } from "../../core/clock.ts";
import { ServingError } from "../../core/errors.ts";
import { type ChoiceToken, type FinishReason, type GenerationSubmit, openChoices } from "../../core/messages/generation.ts";
import { NO_SPAN, type Span, type Tracer } from "../../core/telemetry/tracing.ts";
import type { GenerationHandle, GenerationSink } from "../engines/generation-sink.ts";
import { createCosts, createTiming, type GenerationTiming } from "../generation/generation-timing.ts";

export interface TracedGenerationDeps {
  readonly tracer: Tracer;
  readonly clock: Clock;
}

export class TracedGeneration implements GenerationSink {
  readonly #costs = createCosts();
  readonly timing: GenerationTiming = createTiming(this.#costs);
  readonly #sink: GenerationSink;
  readonly #deps: TracedGenerationDeps;
  readonly #startMs: number;
  readonly #span: Span;
  #decode: Span = NO_SPAN;
  #firstTokenMs: number | undefined;
  #choicesLeft: number;
  #tokens = 0;

  constructor(model: string, submit: GenerationSubmit, sink: GenerationSink, deps: TracedGenerationDeps) {
    const { choices, promptIds } = submit;
    this.#sink = sink;
    this.#deps = deps;
    this.#choicesLeft = openChoices(submit).length;
    this.#startMs = deps.clock.now();
    const attributes = { "gen_ai.request.model": model, "gen_ai.usage.input_tokens": promptIds.length, choices };
    this.#span = deps.tracer.part(submit.traceparent, { name: model, startMs: this.#startMs, attributes });
  }

  tokens(tokens: readonly ChoiceToken[]): void {
    const nowMs = this.#deps.clock.now();
    if (this.#firstTokenMs === undefined) this.#first(nowMs);
    for (const { choice, position } of tokens) this.#decode.event("token", nowMs, { choice, position });
    this.#tokens += tokens.length;
    this.#sink.tokens(tokens);
  }

  finished(choice: number, reason: FinishReason): void {
    this.#choiceEnded();
    this.#sink.finished(choice, reason);
  }

  failed(error: ServingError): void {
    this.#end(error);
    this.#sink.failed(error);
  }

  /** The same handle; what is canceled ends the spans. */
  handle(handle: GenerationHandle): GenerationHandle {
    return {
      ...handle,
      cancel: () => {
        this.#end(new ServingError("CANCELLED", "nobody wants it any more"));
        handle.cancel();
      },
      cancelChoice: (choice) => {
        this.#choiceEnded();
        handle.cancelChoice(choice);
      },
    };
  }

  #first(nowMs: number): void {
    const { tracer } = this.#deps;
    const { traceparent } = this.#span;
    const admittedMs = this.timing.admittedMs ?? this.#startMs;
    this.#firstTokenMs = nowMs;
    tracer.part(traceparent, { name: "queue", startMs: this.#startMs }).end(admittedMs);
    tracer.part(traceparent, { name: "prefill", startMs: admittedMs }).end(nowMs);
    this.#decode = tracer.part(traceparent, { name: "decode", startMs: nowMs });
  }

  #choiceEnded(): void {
    this.#choicesLeft -= 1;
    if (this.#choicesLeft === 0) this.#end(undefined);
  }

  #end(error: ServingError | undefined): void {
    if (this.#choicesLeft < 0) return;
    this.#choicesLeft = -1;
    const nowMs = this.#deps.clock.now();
    const { admittedMs } = this.timing;
    const { steps, stageUs } = this.#costs;
    this.#decode.end(nowMs, error);
    for (const [stage, computeUs] of stageUs.entries()) {
      const attributes = { stage, steps, "compute.us": Math.round(computeUs) };
      this.#deps.tracer.part(this.#span.traceparent, { name: `stage ${stage}`, startMs: admittedMs ?? nowMs, attributes }).end(nowMs);
    }
    this.#span.set({ "gen_ai.usage.output_tokens": this.#tokens });
    this.#span.end(nowMs, error);
  }
}
