/**
 * Encodes texts without holding up the event loop: short ones at once, long ones in worker threads, which start when first
 * needed. One worker has one job, so that canceling a job ends its worker, and a crash fails that job alone.
 */
import { Worker } from "node:worker_threads";
import { assert, ServingError } from "../../core/errors.ts";
import { type EncodeJob, parseEncodeAnswer } from "./encode-job.ts";
import type { TextModel } from "./text-model.ts";
import type { EncodeOptions } from "./tokenizer.ts";

interface EncodePoolOptions {
  /** Worker threads at most. */
  readonly workersMax: number;
  /** Long texts that may wait for a worker. */
  readonly waitingMax: number;
  /** Texts of at most this many bytes of UTF-8 are encoded at once, on the caller's thread. */
  readonly inlineBytesMax: number;
  /** The program of a worker: answers each `EncodeJob` with an `EncodeAnswer`. */
  readonly workerFile: URL;
}

const ENCODE_POOL_DEFAULTS: EncodePoolOptions = {
  workersMax: 2,
  waitingMax: 64,
  inlineBytesMax: 8192,
  workerFile: new URL("./encode-worker.ts", import.meta.url),
};

/** Tokenizers that a worker keeps open; each holds some 50 MB for 50,000 tokens. */
const MODELS_PER_WORKER_MAX = 4;

interface PendingEncode {
  readonly model: Pick<TextModel, "digest" | "bytes">;
  readonly text: string;
  readonly addSpecial: boolean;
  readonly signal: AbortSignal;
  readonly onAbort: () => void;
  readonly resolve: (ids: Int32Array) => void;
  readonly reject: (reason: unknown) => void;
}

/** A worker thread; what it works on is undefined while it is idle. */
interface PoolWorker {
  readonly thread: Worker;
  /** Digests of the bundles that it has, the least recently used first. */
  readonly digests: string[];
  pending: PendingEncode | undefined;
}

export class EncodePool implements AsyncDisposable {
  readonly #options: EncodePoolOptions;
  readonly #workers = new Set<PoolWorker>(); // invariant: while any text waits, all workersMax are busy
  readonly #waiting: PendingEncode[] = [];
  readonly #ending = new Set<Promise<unknown>>();
  #closed = false;

  constructor(options: Partial<EncodePoolOptions> = {}) {
    this.#options = { ...ENCODE_POOL_DEFAULTS, ...options };
  }

  /**
   * @throws ServingError RESOURCE_EXHAUSTED when too many long texts wait, UNAVAILABLE after `close`, INTERNAL when a worker died;
   * the signal's reason when it aborts
   */
  async encode(
    model: Pick<TextModel, "digest" | "bytes" | "tokenizer">,
    text: string,
    options: EncodeOptions,
    signal: AbortSignal,
  ): Promise<Int32Array> {
    signal.throwIfAborted();
    if (this.#closed) throw new ServingError("UNAVAILABLE", "the gateway is shutting down: try another");
    const { inlineBytesMax, waitingMax } = this.#options;
    if (text.length <= inlineBytesMax && Buffer.byteLength(text) <= inlineBytesMax) return model.tokenizer.encode(text, options);
    if (this.#waiting.length >= waitingMax)
      throw new ServingError("RESOURCE_EXHAUSTED", `${waitingMax} long prompts wait to be encoded, the most that may: try again later`);
    return await new Promise((resolve, reject) => {
      const onAbort = (): void => this.#cancel(pending);
      const pending: PendingEncode = { model, text, addSpecial: options.addSpecial, signal, onAbort, resolve, reject };
      signal.addEventListener("abort", onAbort, { once: true });
      this.#waiting.push(pending);
      this.#assign();
    });
  }

  /** Fails what waits or runs with UNAVAILABLE and ends the workers. */
  async close(): Promise<void> {
    this.#closed = true;
    const gone = new ServingError("UNAVAILABLE", "the gateway is shutting down: try another");
    for (const pending of this.#waiting.splice(0)) this.#fail(pending, gone);
    for (const worker of this.#workers) this.#end(worker, gone);
    await Promise.all(this.#ending);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #assign(): void {
    while (this.#waiting.length > 0) {
      const worker = [...this.#workers].find((candidate) => candidate.pending === undefined) ?? this.#start();
      if (worker === undefined) return;
      const pending = this.#waiting.shift();
      assert(pending !== undefined, "a text waits");
      this.#give(worker, pending);
    }
  }

  #give(worker: PoolWorker, pending: PendingEncode): void {
    const { digest, bytes } = pending.model;
    const place = worker.digests.indexOf(digest);
    if (place >= 0) worker.digests.splice(place, 1);
    worker.digests.push(digest);
    const forget = worker.digests.length > MODELS_PER_WORKER_MAX ? worker.digests.shift() : undefined;
    const bundle = place >= 0 ? undefined : bytes;
    worker.pending = pending;
    worker.thread.ref();
    worker.thread.postMessage({ digest, bundle, forget, text: pending.text, addSpecial: pending.addSpecial } satisfies EncodeJob);
  }

  /** undefined when there are as many as there may be. */
  #start(): PoolWorker | undefined {
    if (this.#workers.size >= this.#options.workersMax) return undefined;
    const thread = new Worker(this.#options.workerFile, { execArgv: [], name: "encode" });
    const worker: PoolWorker = { thread, digests: [], pending: undefined };
    thread.on("message", (answer: unknown) => this.#answered(worker, answer));
    thread.on("messageerror", (cause) => this.#end(worker, died(cause)));
    thread.on("error", (cause) => this.#end(worker, died(cause)));
    thread.on("exit", (status) => this.#end(worker, died(new Error(`exit status ${status}`))));
    this.#workers.add(worker);
    return worker;
  }

  #answered(worker: PoolWorker, value: unknown): void {
    const { pending } = worker;
    if (pending === undefined) return; // canceled in the same turn
    const answer = parseEncodeAnswer(value);
    if (answer === undefined) {
      this.#end(worker, died(new Error("no answer")));
      return;
    }
    worker.pending = undefined;
    worker.thread.unref(); // an idle worker keeps no program running
    if (answer.kind === "failed") this.#fail(pending, new ServingError(answer.code, answer.message));
    else {
      pending.signal.removeEventListener("abort", pending.onAbort);
      pending.resolve(answer.ids);
    }
    this.#assign();
  }

  #cancel(pending: PendingEncode): void {
    const place = this.#waiting.indexOf(pending);
    if (place >= 0) {
      this.#waiting.splice(place, 1);
      this.#fail(pending, pending.signal.reason);
      return;
    }
    for (const worker of this.#workers) if (worker.pending === pending) this.#end(worker, pending.signal.reason);
  }

  /** Takes a worker out, once: its job fails with `reason`, others go on. */
  #end(worker: PoolWorker, reason: unknown): void {
    if (!this.#workers.delete(worker)) return;
    const { pending } = worker;
    worker.pending = undefined;
    if (pending !== undefined) this.#fail(pending, reason);
    const ending = worker.thread.terminate().finally(() => this.#ending.delete(ending));
    this.#ending.add(ending);
    this.#assign();
  }

  #fail(pending: PendingEncode, reason: unknown): void {
    pending.signal.removeEventListener("abort", pending.onAbort);
    pending.reject(reason);
  }
}

function died(cause: unknown): ServingError {
  return new ServingError("INTERNAL", "a worker died while it encoded this text", { cause });
}
