/**
 * Triton's trace file: a JSON array with two records for each request, what it was and its timestamps (extensions.md section 5.1).
 * Whatever is recorded of a request on this gateway goes into its one record.
 */
import { writeFile } from "node:fs/promises";
import { ServingError } from "../../core/errors.ts";
import type { Logger } from "../../core/telemetry/logger.ts";
import type { TraceView } from "../../core/telemetry/trace-config.ts";
import { type Attributes, NO_SPAN, type Span, type SpanStart, type Tracer, traceIds } from "../../core/telemetry/tracing.ts";

/** Traces that wait to be written; later ones are lost. */
const WAITING_MAX = 10_000;

interface Trace {
  readonly id: number;
  readonly timestamps: { readonly name: string; readonly ns: number }[];
  attributes: Attributes;
}

export interface TraceFileDeps {
  /** As they are now: the frequency may change. */
  readonly settings: () => Pick<TraceView, "file" | "logFrequency">;
  readonly logger: Logger;
}

/** Disposing it writes what is left. */
export class TraceFile implements Tracer, AsyncDisposable {
  readonly #deps: TraceFileDeps;
  /** Of requests that run, by trace id. */
  readonly #running = new Map<string, Trace>();
  #waiting: string[] = [];
  #lastId = 0;
  #files = 0;
  #writing: Promise<void> = Promise.resolve();

  constructor(deps: TraceFileDeps) {
    this.#deps = deps;
  }

  begin(_traceparent: string, { attributes = {} }: SpanStart): Span {
    this.#lastId += 1;
    const trace: Trace = { id: this.#lastId, timestamps: [], attributes };
    const key = this.#lastId.toString(16).padStart(32, "0");
    this.#running.set(key, trace);
    const end = () => {
      this.#running.delete(key);
      this.#ended(trace);
    };
    return spanOf(trace, `00-${key}-${key.slice(16)}-01`, end);
  }

  part(traceparent: string, { attributes = {} }: SpanStart): Span {
    const trace = this.#running.get(traceIds(traceparent)?.traceId ?? "");
    if (trace === undefined) return NO_SPAN;
    trace.attributes = { ...trace.attributes, ...attributes };
    return spanOf(trace, traceparent, () => {});
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const { file, logFrequency } = this.#deps.settings();
    if (this.#waiting.length > 0) this.#write(logFrequency === 0 ? file : `${file}.${this.#files}`);
    await this.#writing;
  }

  #ended(trace: Trace): void {
    const { file, logFrequency } = this.#deps.settings();
    if (file === "" || this.#waiting.length >= WAITING_MAX) return;
    this.#waiting.push(recordsOf(trace));
    if (logFrequency === 0 || this.#waiting.length < logFrequency) return;
    this.#write(`${file}.${this.#files}`);
    this.#files += 1;
  }

  #write(file: string): void {
    const text = `[${this.#waiting.splice(0).join(",")}]`;
    this.#writing = this.#writing
      .then(() => writeFile(file, text))
      .catch((thrown) => this.#deps.logger.error({ err: ServingError.from(thrown), file }, "traces cannot be written"));
  }
}

function spanOf(trace: Trace, traceparent: string, end: () => void): Span {
  return {
    traceparent,
    event: (name, atMs) => void trace.timestamps.push({ name, ns: Math.round(atMs * 1e6) }),
    set(attributes) {
      trace.attributes = { ...trace.attributes, ...attributes };
    },
    end,
  };
}

/** What Triton's own tools read: names, ids and timestamps. */
function recordsOf({ id, timestamps, attributes }: Trace): string {
  const requestId = attributes["triton.trace_request_id"];
  const about = {
    id,
    model_name: attributes["triton.model_name"] ?? "",
    model_version: Number(attributes["triton.model_version"] ?? -1),
    ...(requestId !== undefined && requestId !== "" && { request_id: requestId }),
  };
  return `${JSON.stringify(about)},${JSON.stringify({ id, timestamps })}`;
}
