/** A generation as a part of a trace: from its arrival at the serving core until the last token is handed out. */
import type { Clock } from "../../../core/clock.ts";
import { ServingError } from "../../../core/errors.ts";
import { NO_SPAN, type Span, type Tracer } from "../../../core/telemetry/tracing.ts";
import type { TextRequest } from "./text-generation.ts";

export class GenerationSpan implements Disposable {
  /** What works for it is a part of this span. */
  readonly request: TextRequest;
  readonly #span: Span;
  readonly #clock: Clock;
  #tokens = 0;
  #failure: ServingError | undefined;

  constructor(request: TextRequest, { tracer, clock }: { readonly tracer: Tracer; readonly clock: Clock }, startMs: number) {
    const { traceparent, model, choices } = request;
    this.#clock = clock;
    this.#span =
      traceparent === ""
        ? NO_SPAN
        : tracer.part(traceparent, {
            name: "generate",
            startMs,
            attributes: { "triton.model_name": model, "gen_ai.request.model": model, choices },
          });
    this.request = traceparent === "" ? request : { ...request, traceparent: this.#span.traceparent };
  }

  /** Tokens that came together. */
  tokens(count: number, nowMs: number): void {
    if (this.#tokens === 0) this.#span.event("first_token", nowMs);
    this.#tokens += count;
  }

  /** @returns what was thrown, as an error for the client */
  failed(thrown: unknown): ServingError {
    this.#failure = ServingError.from(thrown);
    return this.#failure;
  }

  [Symbol.dispose](): void {
    if (this.#span === NO_SPAN) return;
    this.#span.set({ "gen_ai.usage.output_tokens": this.#tokens });
    this.#span.end(this.#clock.now(), this.#failure);
  }
}
