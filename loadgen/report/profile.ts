/** Each request's times, in the form of Perf Analyzer's profile export. Pure. */
import type { Measurement } from "../measure.ts";

export interface ProfileHead {
  readonly version: string;
  /** Such as `triton`. */
  readonly serviceKind: string;
  readonly endpoint: string;
  /** Unix milliseconds at the clock's zero. */
  readonly epochMs: number;
}

const NS_PER_MS = 1_000_000;

/** Times are Unix nanoseconds. */
export function profileText(measurements: readonly Measurement[], { version, serviceKind, endpoint, epochMs }: ProfileHead): string {
  const ns = (ms: number): number => Math.round((epochMs + ms) * NS_PER_MS);
  const experiments = measurements.map(({ level, window: { records } }) => ({
    experiment: { mode: level.kind === "concurrency" ? "concurrency" : "request_rate", value: level.value },
    requests: records.map(({ sentMs, responsesMs }) => ({ timestamp: ns(sentMs), response_timestamps: responsesMs.map(ns) })),
    window_boundaries: [],
  }));
  return `${JSON.stringify({ experiments, version, service_kind: serviceKind, endpoint })}\n`;
}
