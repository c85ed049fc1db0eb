/** Traces over OpenTelemetry's protocol (OTLP over HTTP, protobuf). Loaded only where traces are exported. */
import { type HrTime, type Span as OtelSpan, ROOT_CONTEXT, type SpanContext, SpanKind, SpanStatusCode, trace } from "@opentelemetry/api";
import { type ExportResult, ExportResultCode } from "@opentelemetry/core";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-proto";
import { resourceFromAttributes } from "@opentelemetry/resources";
import { BasicTracerProvider, BatchSpanProcessor, type ReadableSpan, type SpanExporter } from "@opentelemetry/sdk-trace-base";
import type { Clock } from "../clock.ts";
import type { Logger } from "./logger.ts";
import type { OtlpOptions } from "./trace-config.ts";
import { NO_SPAN, type Span, type SpanStart, type Tracer, traceIds } from "./tracing.ts";

/** Of one span: of a generation, a token each. */
const EVENTS_MAX = 1_024;
/** A collector that does not answer may not hold up the end of the process longer. */
const EXPORT_MS_MAX = 3_000;

export interface ExportingTracer extends Tracer, AsyncDisposable {}

export interface OpenTelemetryDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  /** Nereid's own version. */
  readonly version: string;
}

/** Disposing it sends what is left. */
export function openTelemetryTracer(options: OtlpOptions, { clock, logger, version }: OpenTelemetryDeps): ExportingTracer {
  const exporter = loggedExporter(new OTLPTraceExporter({ url: options.url, timeoutMillis: EXPORT_MS_MAX }), options.url, logger);
  const provider = new BasicTracerProvider({
    resource: resourceFromAttributes({ "service.version": version, ...options.resource }),
    spanLimits: { eventCountLimit: EVENTS_MAX },
    spanProcessors: [
      new BatchSpanProcessor(exporter, {
        maxQueueSize: options.queueMax,
        scheduledDelayMillis: options.delayMs,
        maxExportBatchSize: options.batchMax,
        exportTimeoutMillis: EXPORT_MS_MAX,
      }),
    ],
  });
  const tracer = provider.getTracer("nereid", version);
  // One offset for all spans: what adds up on the clock adds up in the trace.
  const offsetMs = clock.wallClockMs() - clock.now();
  const time = (atMs: number): HrTime => {
    const wholeMs = Math.floor(atMs + offsetMs);
    return [Math.floor(wholeMs / 1000), (wholeMs % 1000) * 1e6 + Math.round((atMs + offsetMs - wholeMs) * 1e6)];
  };
  const start = (kind: SpanKind, parent: SpanContext | undefined, { name, startMs, attributes = {} }: SpanStart): Span => {
    const context = parent === undefined ? ROOT_CONTEXT : trace.setSpanContext(ROOT_CONTEXT, parent);
    return spanOf(tracer.startSpan(name, { kind, startTime: time(startMs), attributes }, context), time);
  };
  return {
    begin: (traceparent, begun) => start(SpanKind.SERVER, remoteContext(traceparent), begun),
    part(traceparent, begun) {
      const parent = traceparent === "" ? undefined : remoteContext(traceparent);
      return parent?.traceFlags === 1 ? start(SpanKind.INTERNAL, parent, begun) : NO_SPAN;
    },
    [Symbol.asyncDispose]: () => provider.shutdown().catch((err) => logger.warn({ err }, "the last traces could not be sent")),
  };
}

function spanOf(span: OtelSpan, time: (atMs: number) => HrTime): Span {
  const { traceId, spanId } = span.spanContext();
  return {
    traceparent: `00-${traceId}-${spanId}-01`,
    event: (name, atMs, attributes = {}) => void span.addEvent(name, attributes, time(atMs)),
    set: (attributes) => void span.setAttributes(attributes),
    end(atMs, error) {
      if (error !== undefined) span.setStatus({ code: SpanStatusCode.ERROR, message: error.code }); // its message may quote the request
      span.end(time(atMs));
    },
  };
}

function remoteContext(traceparent: string): SpanContext | undefined {
  const ids = traceIds(traceparent);
  return ids && { traceId: ids.traceId, spanId: ids.spanId, traceFlags: ids.isSampled ? 1 : 0, isRemote: true };
}

/** Says when a collector begins to refuse traces, and when it takes them again. */
function loggedExporter(exporter: SpanExporter, url: string, logger: Logger): SpanExporter {
  let failing = false;
  return {
    export(spans: ReadableSpan[], done: (result: ExportResult) => void) {
      exporter.export(spans, (result) => {
        const failed = result.code !== ExportResultCode.SUCCESS;
        if (failed && !failing) logger.warn({ err: result.error, url }, "traces cannot be exported and are dropped");
        if (!failed && failing) logger.warn({ url }, "traces are exported again");
        failing = failed;
        done(result);
      });
    },
    shutdown: () => exporter.shutdown(),
  };
}
