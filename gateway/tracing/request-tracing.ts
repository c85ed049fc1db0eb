/** Decides which requests are traced, and begins their first span. */
import type { Clock } from "../../core/clock.ts";
import { NO_SPAN, type Span, type SpanStart, type Tracer, traceIds } from "../../core/telemetry/tracing.ts";
import type { TraceSettings } from "../kserve/trace-settings.ts";

export interface RequestTracingDeps {
  readonly tracer: Tracer;
  readonly settings: TraceSettings;
  readonly clock: Clock;
}

export class RequestTracing {
  readonly #deps: RequestTracingDeps;

  constructor(deps: RequestTracingDeps) {
    this.#deps = deps;
  }

  get tracer(): Tracer {
    return this.#deps.tracer;
  }

  get settings(): TraceSettings {
    return this.#deps.settings;
  }

  get clock(): Clock {
    return this.#deps.clock;
  }

  /** Nothing is traced now: there is nothing to begin. */
  get isOff(): boolean {
    return this.#deps.settings.areOff;
  }

  /**
   * @param model undefined where the request does not say so early: the global settings count
   * @param traceparent the client's; empty: it has none
   */
  begin(model: string | undefined, traceparent: string, start: SpanStart): Span {
    const { tracer, settings } = this.#deps;
    return settings.takes(model, traceIds(traceparent)?.isSampled === true) ? tracer.begin(traceparent, start) : NO_SPAN;
  }
}
