/**
 * Runners as child processes: one per shard, so that a native crash costs one shard and unloading returns all memory. They die
 * with their agent.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { rm } from "node:fs/promises";
import path from "node:path";
import type { Duplex } from "node:stream";
import { fileURLToPath } from "node:url";
import { type Clock, systemClock } from "../../core/clock.ts";
import { ServingError } from "../../core/errors.ts";
import { type Random, systemRandom } from "../../core/random.ts";
import type { Logger } from "../../core/telemetry/logger.ts";
import type { ConnectShard, OpenShard, RunnerExit, RunnerFactory, RunnerHandle, ShardOpened } from "../../core/wire/runner-handle.ts";
import { privateSocketFolder } from "../../core/wire/socket-folder.ts";
import {
  CONTROL_FD,
  CONTROL_LINE_BYTES_MAX,
  type ControlAnswer,
  type ControlRequest,
  encodeControl,
  parseAnswer,
} from "./control-protocol.ts";
import { LineReader } from "./line-reader.ts";

export interface ProcessRunnersOptions {
  /** Gets what runners write to their standard output and error. */
  readonly logger: Logger;
  /** Where runners listen for their upstream end: `tcp:HOST:0`; a unix socket in a private folder unless said. */
  readonly listen?: string;
  /** Another ONNX Runtime than the one that is installed. */
  readonly libraryFile?: string;
  /** Of the runners; the agent's own unless said. */
  readonly environment?: NodeJS.ProcessEnv;
  readonly clock?: Clock;
  readonly random?: Random;
}

const PROGRAM = fileURLToPath(new URL("./shard/main.ts", import.meta.url));
/** How long a runner may take to end by itself. */
const CLOSE_GRACE_MS = 2_000;
const LAST_WORDS_LINES = 20;
const LINE_CHARACTERS_MAX = 2_000;

/** Weights in huge pages: 5 to 13 % faster decoding. Needs glibc 2.35 and transparent huge pages on `madvise` or `always`. */
const HUGE_PAGES = [
  "glibc.malloc.hugetlb=1",
  "glibc.malloc.mmap_threshold=33554432",
  "glibc.malloc.trim_threshold=1073741824",
  "glibc.malloc.top_pad=67108864",
].join(":");

export function processRunners(options: ProcessRunnersOptions): RunnerFactory {
  return { start: () => new ProcessRunner(options) };
}

type Waiting = PromiseWithResolvers<ControlAnswer>;

class ProcessRunner implements RunnerHandle {
  readonly incarnation: string;
  readonly exited: Promise<RunnerExit>;
  readonly #options: ProcessRunnersOptions;
  readonly #clock: Clock;
  readonly #child: ChildProcess;
  readonly #control: Duplex;
  readonly #waiting = new Map<number, Waiting>();
  readonly #lastWords: string[] = [];
  #requests = 0;
  #gone: RunnerExit | undefined;
  #folder: string | undefined;
  /** What it was told to open: for the message when it dies. */
  #opening: string | undefined;

  constructor(options: ProcessRunnersOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    const environment = { GLIBC_TUNABLES: HUGE_PAGES, ...(options.environment ?? process.env) };
    const library = options.libraryFile === undefined ? [] : [options.libraryFile];
    this.#child = spawn(process.execPath, [PROGRAM, String(process.pid), ...library], {
      stdio: ["ignore", "pipe", "pipe", "pipe"],
      env: environment,
    });
    this.incarnation = `${this.#child.pid ?? 0}-${(options.random ?? systemRandom).id().slice(0, 12)}`;
    this.#control = this.#child.stdio[CONTROL_FD] as Duplex; // "pipe" gives a socket, readable and writable
    this.#listenToWords();
    this.#listenToControl();
    const { promise, resolve } = Promise.withResolvers<RunnerExit>();
    this.exited = promise;
    this.#child.once("error", (error) => this.#end({ code: undefined, signal: undefined, lastWords: error.message }, resolve));
    this.#child.once("close", (code, signal) =>
      this.#end({ code: code ?? undefined, signal: signal ?? undefined, lastWords: this.#lastWords.join("\n") }, resolve),
    );
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  async open(shard: OpenShard, signal: AbortSignal): Promise<ShardOpened> {
    this.#opening = shard.folder;
    const listen = this.#options.listen ?? `unix:${path.join(await this.#socketFolder(), "stage")}`;
    try {
      const answer = await this.#ask((id) => ({ kind: "open", id, shard, listen }), signal);
      if (answer.kind !== "opened") throw unexpected(answer);
      return answer.opened;
    } finally {
      if (signal.aborted) this.kill(); // it loads on, and nobody wants it
      this.#opening = undefined;
    }
  }

  async connect(to: ConnectShard, signal: AbortSignal): Promise<void> {
    const answer = await this.#ask((id) => ({ kind: "connect", id, to }), signal);
    if (answer.kind !== "connected") throw unexpected(answer);
  }

  async close(): Promise<void> {
    this.#control.end();
    const takeBack = this.#clock.after(CLOSE_GRACE_MS, () => this.kill());
    await this.exited;
    takeBack();
  }

  kill(): void {
    this.#child.kill("SIGKILL");
  }

  async #socketFolder(): Promise<string> {
    this.#folder ??= await privateSocketFolder();
    if (this.#gone !== undefined) await rm(this.#folder, { recursive: true, force: true });
    return this.#folder;
  }

  #ask(request: (id: number) => ControlRequest, signal: AbortSignal): Promise<ControlAnswer> {
    if (signal.aborted) return Promise.reject(signal.reason);
    if (this.#gone !== undefined) return Promise.reject(this.#death(this.#gone));
    const id = ++this.#requests;
    const waiting: Waiting = Promise.withResolvers();
    this.#waiting.set(id, waiting);
    const onAbort = () => waiting.reject(signal.reason);
    signal.addEventListener("abort", onAbort, { once: true });
    this.#control.write(encodeControl(request(id)));
    return waiting.promise.finally(() => {
      signal.removeEventListener("abort", onAbort);
      this.#waiting.delete(id);
    });
  }

  #listenToControl(): void {
    const lines = new LineReader(CONTROL_LINE_BYTES_MAX);
    this.#control.on("error", () => {}); // its end says the same as the process's
    this.#control.on("data", (chunk: Uint8Array) => {
      for (const line of lines.push(chunk)) this.#hear(line);
    });
  }

  #hear(line: string): void {
    try {
      const answer = parseAnswer(line);
      const waiting = this.#waiting.get(answer.id);
      if (answer.kind === "failed") waiting?.reject(new ServingError(answer.code, answer.message, { reason: answer.reason }));
      else waiting?.resolve(answer);
    } catch (err) {
      this.#options.logger.error({ err, pid: this.pid }, "a runner answered nonsense and is killed");
      this.kill();
    }
  }

  #listenToWords(): void {
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      const lines = new LineReader(LINE_CHARACTERS_MAX);
      stream?.on("data", (chunk: Uint8Array) => this.#note(lines.push(chunk)));
      stream?.on("end", () => this.#note(lines.end()));
    }
  }

  #note(lines: readonly string[]): void {
    for (const line of lines) this.#options.logger.warn({ pid: this.pid }, line);
    this.#lastWords.push(...lines);
    this.#lastWords.splice(0, this.#lastWords.length - LAST_WORDS_LINES);
  }

  #end(exit: RunnerExit, resolve: (exit: RunnerExit) => void): void {
    if (this.#gone !== undefined) return;
    this.#gone = exit;
    const death = this.#death(exit);
    for (const { reject } of this.#waiting.values()) reject(death);
    const cleared = this.#folder === undefined ? Promise.resolve() : rm(this.#folder, { recursive: true, force: true });
    cleared.catch((err) => this.#options.logger.warn({ err }, "a runner's socket folder stays behind")).then(() => resolve(exit));
  }

  #death(exit: RunnerExit): ServingError {
    const how = exit.signal === undefined ? `ended with code ${exit.code ?? "unknown"}` : `was ended by ${exit.signal}`;
    const loading = this.#opening === undefined ? "" : ` while it loaded ${this.#opening}`;
    const memory =
      exit.signal === "SIGKILL" ? ": most likely the host ran out of memory; use fewer slots, a shorter context or more stages" : "";
    const words = exit.lastWords === "" || memory !== "" ? "" : `: ${exit.lastWords.split("\n").at(-1)}`;
    return new ServingError("UNAVAILABLE", `the runner ${how}${loading}${memory}${words}`, { reason: "runner_died" });
  }
}

const unexpected = (answer: ControlAnswer): ServingError =>
  new ServingError("INTERNAL", `a runner answered '${answer.kind}' to another question`);
