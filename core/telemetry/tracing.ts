/**
 * Traces: what a request went through, as spans. The default records nothing and costs nothing. Adapters: `opentelemetry.ts`, and
 * Triton's trace file (`gateway/tracing/trace-file.ts`). Attributes name things and count them: prompts, answers and tensors never
 * go in. Pure.
 */
import type { ServingError } from "../errors.ts";

export type Attributes = Readonly<Record<string, string | number | boolean>>;

export interface Span {
  /** W3C Trace Context, for whatever works for it; empty: nothing is recorded. */
  readonly traceparent: string;
  /** Times are the clock's `now`. */
  event(name: string, atMs: number, attributes?: Attributes): void;
  set(attributes: Attributes): void;
  /** Once; @param error why it failed */
  end(atMs: number, error?: ServingError): void;
}

export interface SpanStart {
  readonly name: string;
  readonly startMs: number;
  readonly attributes?: Attributes;
}

export interface Tracer {
  /** The first span of a request here. @param traceparent the client's; empty: it begins a trace */
  begin(traceparent: string, start: SpanStart): Span;
  /** A part of what a span has given its `traceparent` to; nothing is recorded where that is empty. */
  part(traceparent: string, start: SpanStart): Span;
}

export const NO_SPAN: Span = { traceparent: "", event: () => {}, set: () => {}, end: () => {} };

export const NO_TRACER: Tracer = { begin: () => NO_SPAN, part: () => NO_SPAN };

export interface TraceIds {
  readonly traceId: string;
  readonly spanId: string;
  readonly isSampled: boolean;
}

const TRACEPARENT = /^[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/;

/** undefined where it is empty or not well-formed. */
export function traceIds(traceparent: string): TraceIds | undefined {
  const [, traceId, spanId, flags] = TRACEPARENT.exec(traceparent) ?? [];
  if (traceId === undefined || spanId === undefined || flags === undefined) return undefined;
  return { traceId, spanId, isSampled: (Number.parseInt(flags, 16) & 1) === 1 };
}

/** For log lines. */
export function traceFieldsOf(traceparent: string): Readonly<Record<string, string>> {
  const ids = traceIds(traceparent);
  return ids === undefined ? {} : { trace_id: ids.traceId, span_id: ids.spanId };
}
