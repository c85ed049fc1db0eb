/** Loggers and the exporter of traces as the settings say, the same for every command that runs a part of a cluster. */
import { systemClock } from "../core/clock.ts";
import type { SettingsOf, SettingsSource } from "../core/settings.ts";
import { LogControl, type LogLevel } from "../core/telemetry/log-control.ts";
import { createLogger, type Logger } from "../core/telemetry/logger.ts";
import { openTracer } from "../core/telemetry/open-tracer.ts";
import type { ExportingTracer } from "../core/telemetry/opentelemetry.ts";
import { VERSION } from "../core/version.ts";
import type { EXPORT_SETTINGS } from "./settings/telemetry-settings.ts";

type ExportSettings = SettingsOf<typeof EXPORT_SETTINGS>;

export interface Loggers {
  readonly logger: Logger;
  /** Changes what `logger` logs. */
  readonly logControl: LogControl;
  readonly accessLog?: Logger;
  readonly auditLog?: Logger;
}

export interface LogWishes {
  readonly logLevel: LogLevel;
  readonly accessLog?: boolean;
  readonly auditLog?: boolean;
}

export function loggers({ logLevel, accessLog = false, auditLog = false }: LogWishes): Loggers {
  const form = process.stderr.isTTY ? "readable" : "json";
  const logControl = new LogControl(logLevel);
  const logger = createLogger({ level: logControl, form });
  // Whatever the log's level is: what is asked for comes.
  const own = () => createLogger({ level: "info", form });
  return { logger, logControl, ...(accessLog && { accessLog: own() }), ...(auditLog && { auditLog: own() }) };
}

/** With OpenTelemetry's own variable, where no setting of ours names a collector. */
export function withCollector<Settings extends ExportSettings>(settings: Settings, { environment }: SettingsSource): Settings {
  return { ...settings, otlpEndpoint: settings.otlpEndpoint ?? environment["OTEL_EXPORTER_OTLP_ENDPOINT"] };
}

/** @param stack sends what is left @throws ServingError INVALID_ARGUMENT naming what is wrong with the settings */
export async function exportingTracer(
  settings: ExportSettings,
  logger: Logger,
  stack: AsyncDisposableStack,
): Promise<ExportingTracer | undefined> {
  const tracer = await openTracer(settings, { clock: systemClock, logger, version: VERSION });
  return tracer && stack.use(tracer);
}
