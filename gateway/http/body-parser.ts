/**
 * Parses bodies where they do no harm: small ones at once, large ones in a worker thread, so that a body of many megabytes does
 * not hold up the streams that share this thread. The worker parses and checks; only the checked request comes back.
 */
import { Worker } from "node:worker_threads";
import { ServingError } from "../../core/errors.ts";
import { type Body, wholeBody } from "./body.ts";
import type { ParsedBody, ParseJob } from "./body-parser-worker.ts";

/** A parser that another thread can find again. What it returns must survive a structured clone. */
export interface BodyParser<T, O = undefined> {
  /** Throws ServingErrors. Options must survive a structured clone too. */
  readonly parse: (bytes: Uint8Array, options: O) => T;
  /** The module that exports it, and its name there. */
  readonly module: URL;
  readonly name: string;
}

/** Below it even the worst JSON takes a few milliseconds (measured: 256 KiB of `[],[],…` 7 ms, of text 0.3 ms). */
const INLINE_BYTES_MAX = 256 * 1024;

const WAITING_MAX = 16;

/** Enough for 64 MiB of ordinary JSON; what needs more ends the worker, not the gateway. */
const WORKER_MEGABYTES_MAX = 1_024;

interface Waiting {
  readonly resolve: (value: unknown) => void;
  readonly reject: (reason: ServingError) => void;
}

/** One worker, started by the first large body and kept; after a crash the next large body starts another. */
export class BodyParsers {
  #worker: Worker | undefined;
  readonly #waiting = new Map<number, Waiting>();
  #jobs = 0;

  /**
   * Takes the body over: its memory may be gone afterwards.
   * @throws ServingError what the parser throws; RESOURCE_EXHAUSTED when too many large bodies wait or one needs too much memory.
   */
  parse<T>(parser: BodyParser<T>, body: Body): T | Promise<T> {
    return this.parseWith(parser, body, undefined);
  }

  /** As `parse`, for parsers that need to know more than the bytes. */
  parseWith<T, O>(parser: BodyParser<T, O>, body: Body, options: O): T | Promise<T> {
    if (body.byteLength <= INLINE_BYTES_MAX) return parser.parse(wholeBody(body), options);
    return this.#parseElsewhere(parser, body, options);
  }

  async close(): Promise<void> {
    await this.#worker?.terminate();
  }

  #parseElsewhere<T, O>(parser: BodyParser<T, O>, body: Body, options: O): Promise<T> {
    if (this.#waiting.size >= WAITING_MAX) {
      throw new ServingError("RESOURCE_EXHAUSTED", `${WAITING_MAX} large requests are being read already; try again`);
    }
    const number = this.#jobs++;
    this.#worker ??= this.#start();
    const job: ParseJob = { number, module: parser.module.href, name: parser.name, options, segments: body.segments };
    this.#worker.postMessage(
      job,
      body.segments.map((segment) => segment.buffer),
    );
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    // The channel's one cast: what comes back under this number is what this parser made.
    this.#waiting.set(number, { resolve: (value) => resolve(value as T), reject });
    return promise;
  }

  #start(): Worker {
    const worker = new Worker(new URL("./body-parser-worker.ts", import.meta.url), {
      resourceLimits: { maxOldGenerationSizeMb: WORKER_MEGABYTES_MAX },
    });
    worker.unref();
    worker.on("message", (answer: ParsedBody) => this.#settle(answer));
    worker.on("error", () => this.#lose(worker));
    worker.on("exit", () => this.#lose(worker));
    return worker;
  }

  #settle(answer: ParsedBody): void {
    const waiting = this.#waiting.get(answer.number);
    this.#waiting.delete(answer.number);
    if (answer.kind === "parsed") waiting?.resolve(answer.value);
    else waiting?.reject(new ServingError(answer.code, answer.message, answer.options));
  }

  #lose(worker: Worker): void {
    if (this.#worker !== worker) return;
    this.#worker = undefined;
    const error = new ServingError("RESOURCE_EXHAUSTED", "the request needs too much memory to be read: send a smaller one");
    for (const waiting of this.#waiting.values()) waiting.reject(error);
    this.#waiting.clear();
  }
}
