/** Runners of shards as child processes, one per shard, told what to do over a control channel. */
import { rm } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";
import type { Clock } from "../../core/clock.ts";
import { ServingError } from "../../core/errors.ts";
import type { Certificates } from "../../core/mutual-tls.ts";
import type { Random } from "../../core/random.ts";
import type { Logger } from "../../core/telemetry/logger.ts";
import { advertisedAddress } from "../../core/wire/address.ts";
import type { ConnectShard, OpenShard, RunnerExit, RunnerFactory, RunnerHandle, ShardOpened } from "../../core/wire/runner-handle.ts";
import { privateSocketFolder } from "../../core/wire/socket-folder.ts";
import { CONTROL_LINE_BYTES_MAX, type ControlAnswer, type ControlRequest, encodeControl, parseAnswer } from "./control-protocol.ts";
import { LineReader } from "./line-reader.ts";
import { RunnerChild, runnerDeath } from "./runner-child.ts";

export interface ProcessRunnersOptions {
  /** Gets what runners write to their standard output and error. */
  readonly logger: Logger;
  /** Where runners listen for their upstream end: `tcp:HOST:0` or `tls:HOST:0`; a unix socket in a private folder unless said. */
  readonly listen?: string;
  /** What it dials, where that is not the host of `listen`. */
  readonly advertiseHost?: string;
  /** Files for `tls:` addresses. */
  readonly tlsFiles?: Certificates | undefined;
  /** Another ONNX Runtime than the one that is installed. */
  readonly libraryFile?: string;
  /** Of the runners; the agent's own unless said. */
  readonly environment?: NodeJS.ProcessEnv;
  readonly clock?: Clock;
  readonly random?: Random;
}

const PROGRAM = fileURLToPath(new URL("./shard/main.ts", import.meta.url));

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
  readonly #options: ProcessRunnersOptions;
  readonly #child: RunnerChild;
  readonly #waiting = new Map<number, Waiting>();
  #requests = 0;
  #gone: RunnerExit | undefined;
  #folder: string | undefined;
  /** What it was told to open: for the message when it dies. */
  #opening: string | undefined;

  constructor(options: ProcessRunnersOptions) {
    this.#options = options;
    this.#child = new RunnerChild({
      ...options,
      program: PROGRAM,
      environment: { GLIBC_TUNABLES: HUGE_PAGES, ...(options.environment ?? process.env) },
      ended: (exit) => this.#ended(exit),
    });
    this.#listenToControl();
  }

  get incarnation(): string {
    return this.#child.incarnation;
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  get exited(): Promise<RunnerExit> {
    return this.#child.exited;
  }

  async open(shard: OpenShard, signal: AbortSignal): Promise<ShardOpened> {
    this.#opening = shard.folder;
    const listen = this.#options.listen ?? `unix:${path.join(await this.#socketFolder(), "stage")}`;
    const tls = this.#options.tlsFiles;
    try {
      const answer = await this.#ask((id) => ({ kind: "open", id, shard, listen, ...(tls && { tls }) }), signal);
      if (answer.kind !== "opened") throw unexpected(answer);
      return { ...answer.opened, address: advertisedAddress(answer.opened.address, this.#options.advertiseHost) };
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
    await this.#child.close();
  }

  kill(): void {
    this.#child.kill();
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
    this.#child.channel.write(encodeControl(request(id)));
    return waiting.promise.finally(() => {
      signal.removeEventListener("abort", onAbort);
      this.#waiting.delete(id);
    });
  }

  #listenToControl(): void {
    const lines = new LineReader(CONTROL_LINE_BYTES_MAX);
    const { channel } = this.#child;
    channel.on("error", () => {}); // its end says the same as the process's
    channel.on("data", (chunk: Uint8Array) => {
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

  async #ended(exit: RunnerExit): Promise<void> {
    this.#gone = exit;
    const death = this.#death(exit);
    for (const { reject } of this.#waiting.values()) reject(death);
    if (this.#folder !== undefined) await rm(this.#folder, { recursive: true, force: true });
  }

  #death(exit: RunnerExit): ServingError {
    const during = this.#opening === undefined ? "" : ` while it loaded ${this.#opening}`;
    return runnerDeath(exit, { during, remedy: "use fewer slots, a shorter context or more stages" });
  }
}

const unexpected = (answer: ControlAnswer): ServingError =>
  new ServingError("INTERNAL", `a runner answered '${answer.kind}' to another question`);
