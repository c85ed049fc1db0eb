/** Opens the exporter of traces where the options ask for one; its library is loaded only then. */
import type { ExportingTracer, OpenTelemetryDeps } from "./opentelemetry.ts";
import type { TelemetryOptions } from "./options.ts";
import { parseTraceConfig } from "./trace-config.ts";

/** @returns undefined: traces are not exported @throws ServingError INVALID_ARGUMENT naming what is wrong with `traceConfig` */
export async function openTracer(
  { traceConfig, otlpEndpoint }: Pick<TelemetryOptions, "traceConfig" | "otlpEndpoint">,
  deps: OpenTelemetryDeps,
): Promise<ExportingTracer | undefined> {
  const { view, otlp } = parseTraceConfig(traceConfig, otlpEndpoint);
  if (view.mode !== "opentelemetry" || view.levels.length === 0) return undefined;
  const { openTelemetryTracer } = await import("./opentelemetry.ts");
  return openTelemetryTracer(otlp, deps);
}
