/** Which requests are traced and where traces go: `--trace-config`, and OpenTelemetry's own variable (extensions.md section 5). Pure. */
import { ServingError } from "../errors.ts";

export type TraceLevel = "TIMESTAMPS" | "TENSORS";

/** As Triton's trace extension has it. */
export interface TraceView {
  /** Empty: off. */
  readonly levels: readonly TraceLevel[];
  /** Every so many-th request; 0: those alone whose clients trace them. */
  readonly rate: number;
  /** Traces left; -1: no limit. */
  readonly count: number;
  readonly logFrequency: number;
  readonly file: string;
  readonly mode: "triton" | "opentelemetry";
}

export interface OtlpOptions {
  /** Where spans are posted. */
  readonly url: string;
  readonly resource: Readonly<Record<string, string>>;
  /** Spans that wait to be sent at most; more are dropped. */
  readonly queueMax: number;
  readonly delayMs: number;
  readonly batchMax: number;
}

export interface TraceConfig {
  readonly view: TraceView;
  readonly otlp: OtlpOptions;
}

export const TRACE_VIEW: TraceView = { levels: [], rate: 1_000, count: -1, logFrequency: 0, file: "", mode: "triton" };

const OTLP: OtlpOptions = {
  url: "http://localhost:4318/v1/traces",
  resource: { "service.name": "nereid" },
  queueMax: 2_048,
  delayMs: 5_000,
  batchMax: 512,
};

const INITIAL: TraceConfig = { view: TRACE_VIEW, otlp: OTLP };

/**
 * @param texts such as `rate=100`, `level=TIMESTAMPS`, `mode=opentelemetry`, `triton,file=trace.json`, `opentelemetry,url=…`
 * @param endpoint a collector's address (`OTEL_EXPORTER_OTLP_ENDPOINT`): all requests are traced to it unless the texts say otherwise
 * @throws ServingError INVALID_ARGUMENT naming what is wrong
 */
export function parseTraceConfig(texts: readonly string[], endpoint: string | undefined): TraceConfig {
  const levelsGiven = texts.some((text) => text.startsWith("level="));
  const initial = endpoint === undefined ? INITIAL : exportingTo(endpoint);
  const config = texts.reduce(changed, levelsGiven ? { ...initial, view: { ...initial.view, levels: [] } } : initial);
  if (config.view.mode === "opentelemetry" && config.view.levels.includes("TENSORS")) {
    throw new ServingError("INVALID_ARGUMENT", "--trace-config: level=TENSORS is not supported in mode opentelemetry");
  }
  return config;
}

function exportingTo(endpoint: string): TraceConfig {
  const url = `${endpoint.replace(/\/+$/, "")}/v1/traces`;
  return { view: { ...TRACE_VIEW, mode: "opentelemetry", levels: ["TIMESTAMPS"], rate: 1 }, otlp: { ...OTLP, url } };
}

function changed(config: TraceConfig, text: string): TraceConfig {
  const { view, otlp } = config;
  const [, scope, name = "", value = ""] = /^(?:(triton|opentelemetry),)?([^=]+)=(.*)$/.exec(text) ?? [];
  const number = (min: number) => wholeNumber(text, value, min);
  switch (scope === undefined ? name : `${scope},${name}`) {
    case "rate":
      return { otlp, view: { ...view, rate: number(0) } };
    case "count":
      return { otlp, view: { ...view, count: number(-1) } };
    case "level":
      return { otlp, view: { ...view, levels: withLevel(view.levels, text, value) } };
    case "mode":
      if (value !== "triton" && value !== "opentelemetry") throw refusal(text);
      return { otlp, view: { ...view, mode: value } };
    case "triton,file":
      return { otlp, view: { ...view, file: value } };
    case "triton,log-frequency":
      return { otlp, view: { ...view, logFrequency: number(0) } };
    case "opentelemetry,url":
      return { view, otlp: { ...otlp, url: /^https?:/.test(value) ? value : `http://${value}` } };
    case "opentelemetry,resource":
      return { view, otlp: { ...otlp, resource: { ...otlp.resource, ...resourceOf(text, value) } } };
    case "opentelemetry,bsp_max_queue_size":
      return { view, otlp: { ...otlp, queueMax: number(1) } };
    case "opentelemetry,bsp_schedule_delay":
      return { view, otlp: { ...otlp, delayMs: number(1) } };
    case "opentelemetry,bsp_max_export_batch_size":
      return { view, otlp: { ...otlp, batchMax: number(1) } };
    default:
      throw refusal(text);
  }
}

function withLevel(levels: readonly TraceLevel[], text: string, value: string): readonly TraceLevel[] {
  if (value === "OFF") return [];
  if (value === "TIMESTAMPS" || value === "TENSORS") return levels.includes(value) ? levels : [...levels, value];
  throw refusal(text);
}

function resourceOf(text: string, value: string): Readonly<Record<string, string>> {
  const equals = value.indexOf("=");
  if (equals < 1) throw refusal(text);
  return { [value.slice(0, equals)]: value.slice(equals + 1) };
}

function wholeNumber(text: string, value: string, min: number): number {
  const number = /^-?\d{1,10}$/.test(value) ? Number(value) : Number.NaN;
  if (number >= min) return number;
  throw refusal(text);
}

function refusal(text: string): ServingError {
  const allowed =
    "rate=, level=OFF|TIMESTAMPS|TENSORS, count=, mode=triton|opentelemetry, triton,file=, triton,log-frequency=, opentelemetry,url=, " +
    "opentelemetry,resource=KEY=VALUE, opentelemetry,bsp_max_queue_size=, opentelemetry,bsp_schedule_delay=, opentelemetry,bsp_max_export_batch_size=";
  return new ServingError("INVALID_ARGUMENT", `--trace-config: ${JSON.stringify(text)} is not allowed; allowed: ${allowed}`);
}
