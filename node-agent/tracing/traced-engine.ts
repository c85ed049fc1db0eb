/** An engine whose requests are parts of traces: a span for the model, below it the queue and the batch that computed it. */
import type { Clock } from "../../core/clock.ts";
import type { InferTimes } from "../../core/messages/infer.ts";
import type { InferSink } from "../../core/messages/infer-sink.ts";
import type { Span, Tracer } from "../../core/telemetry/tracing.ts";
import type { InferenceEngine } from "../engines/inference-engine.ts";

export interface TracedModel {
  readonly model: string;
  readonly version: string;
}

export interface TracedEngineDeps {
  readonly tracer: Tracer;
  readonly clock: Clock;
}

export function tracedEngine(
  engine: InferenceEngine,
  { model, version }: TracedModel,
  { tracer, clock }: TracedEngineDeps,
): InferenceEngine {
  const attributes = { "triton.model_name": model, "triton.model_version": version };
  return {
    infer(submit, sink, upcalls) {
      if (submit.traceparent === "") return engine.infer(submit, sink, upcalls);
      const startMs = clock.now();
      const span = tracer.part(submit.traceparent, { name: model, startMs, attributes });
      const traced = tracedSink(sink, span, { startMs, tracer, clock });
      return engine.infer({ ...submit, traceparent: span.traceparent }, traced, upcalls);
    },
    load: () => engine.load(),
    statistics: () => engine.statistics(),
    drain: () => engine.drain(),
    [Symbol.asyncDispose]: () => engine[Symbol.asyncDispose](),
  };
}

/** A request that is canceled has no answer: its span is not recorded. */
function tracedSink(sink: InferSink, span: Span, { startMs, tracer, clock }: TracedEngineDeps & { readonly startMs: number }): InferSink {
  return {
    ...(sink.respond !== undefined && { respond: (response, parameters) => sink.respond?.(response, parameters) ?? true }),
    answered(outputs, times, parameters, memory) {
      const endMs = clock.now();
      stages(tracer, span, times, startMs);
      span.end(endMs);
      sink.answered(outputs, times, parameters, memory);
    },
    failed(error) {
      span.end(clock.now(), error);
      sink.failed(error);
    },
  };
}

function stages(tracer: Tracer, span: Span, times: InferTimes, startMs: number): void {
  const startedMs = startMs + times.queueUs / 1000;
  const inputMs = startedMs + times.computeInputUs / 1000;
  const inferredMs = inputMs + times.computeInferUs / 1000;
  tracer.part(span.traceparent, { name: "queue", startMs }).end(startedMs);
  const compute = tracer.part(span.traceparent, { name: "compute", startMs: startedMs });
  compute.event("COMPUTE_START", startedMs);
  compute.event("COMPUTE_INPUT_END", inputMs);
  compute.event("COMPUTE_OUTPUT_START", inferredMs);
  compute.event("COMPUTE_END", inferredMs + times.computeOutputUs / 1000);
  compute.end(inferredMs + times.computeOutputUs / 1000);
}
