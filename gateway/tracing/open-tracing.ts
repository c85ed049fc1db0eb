/** Tracing as the options say: into Triton's file, or wherever the gateway's tracer exports to. */
import type { Clock } from "../../core/clock.ts";
import type { Logger } from "../../core/telemetry/logger.ts";
import { TELEMETRY_DEFAULTS, type TelemetryOptions } from "../../core/telemetry/options.ts";
import { parseTraceConfig } from "../../core/telemetry/trace-config.ts";
import { NO_TRACER, type Tracer } from "../../core/telemetry/tracing.ts";
import { TraceSettings } from "../kserve/trace-settings.ts";
import { RequestTracing } from "./request-tracing.ts";
import { TraceFile } from "./trace-file.ts";

export interface TracingDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  /** undefined: nothing is exported. */
  readonly tracer?: Tracer | undefined;
}

/** @param stack writes the file's end @throws ServingError INVALID_ARGUMENT when `traceConfig` is not what it may be */
export function openTracing(
  telemetry: Partial<TelemetryOptions> | undefined,
  deps: TracingDeps,
  stack: AsyncDisposableStack,
): RequestTracing {
  const { traceConfig, otlpEndpoint } = { ...TELEMETRY_DEFAULTS, ...telemetry };
  const { view } = parseTraceConfig(traceConfig, otlpEndpoint);
  const settings = new TraceSettings(view);
  const file = () => stack.use(new TraceFile({ settings: () => settings.view(undefined), logger: deps.logger }));
  const tracer = view.mode === "triton" ? file() : (deps.tracer ?? NO_TRACER);
  return new RequestTracing({ tracer, settings, clock: deps.clock });
}
