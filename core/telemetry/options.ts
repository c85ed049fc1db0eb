/** What is measured and told: what the command line reads and a gateway obeys. Named as Triton's flags where it has them. Pure. */

export interface TelemetryOptions {
  /** Triton's series of CPU and memory. */
  readonly allowCpuMetrics: boolean;
  /** Milliseconds over which CPU use is measured, at least. */
  readonly metricsIntervalMs: number;
  /** Such as `summary_latencies=true`. */
  readonly metricsConfig: readonly string[];
  /** Such as `rate=100`, see `trace-config.ts`. */
  readonly traceConfig: readonly string[];
  /** A collector's address, to which all requests are traced; undefined: as `traceConfig` says. */
  readonly otlpEndpoint: string | undefined;
}

export const TELEMETRY_DEFAULTS: TelemetryOptions = {
  allowCpuMetrics: true,
  metricsIntervalMs: 2_000,
  metricsConfig: [],
  traceConfig: [],
  otlpEndpoint: undefined,
};
