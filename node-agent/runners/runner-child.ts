/**
 * A runner's process: started with a channel to its agent, listened to, ended. Runners are processes of their own, so that a
 * native crash costs one shard or model and unloading returns all memory. They die with their agent.
 */
import type { Duplex } from "node:stream";
import { type Clock, systemClock } from "../../core/clock.ts";
import { ServingError } from "../../core/errors.ts";
import { type Random, systemRandom } from "../../core/random.ts";
import type { Logger } from "../../core/telemetry/logger.ts";
import { deathReason } from "../../core/wire/runner-death.ts";
import type { RunnerExit } from "../../core/wire/runner-handle.ts";
import type { Child, ChildEnd } from "./child.ts";
import { LineReader } from "./line-reader.ts";
import { startLinuxChild } from "./linux-child.ts";
import { startNodeChild } from "./node-child.ts";

export interface RunnerChildOptions {
  /** The runner's main file; it gets this process's id, then the library's file if there is one. */
  readonly program: string;
  /** What runs it; Node unless said. */
  readonly interpreter?: string | undefined;
  /** Another ONNX Runtime than the one that is installed. */
  readonly libraryFile?: string | undefined;
  readonly environment: NodeJS.ProcessEnv;
  /** A file descriptor for its standard input. */
  readonly input?: number | undefined;
  /** Gets what the runner writes to its standard output and error. */
  readonly logger: Logger;
  readonly clock?: Clock | undefined;
  readonly random?: Random | undefined;
  /** Called when the process is gone; `exited` resolves after it. Must not throw. */
  readonly ended: (exit: RunnerExit) => Promise<void>;
}

/** How long a runner may take to end by itself. */
const CLOSE_GRACE_MS = 2_000;
const LAST_WORDS_LINES = 20;
const LINE_CHARACTERS_MAX = 2_000;

export class RunnerChild {
  /** Differs for every process ever started. */
  readonly incarnation: string;
  readonly exited: Promise<RunnerExit>;
  /** To the runner; it ends when this does. */
  readonly channel: Duplex;
  readonly #options: RunnerChildOptions;
  readonly #child: Child;
  readonly #lastWords: string[] = [];

  constructor(options: RunnerChildOptions) {
    this.#options = options;
    const library = options.libraryFile === undefined ? [] : [options.libraryFile];
    const start = process.platform === "linux" ? startLinuxChild : startNodeChild;
    this.#child = start({
      interpreter: options.interpreter ?? process.execPath,
      args: [options.program, String(process.pid), ...library],
      environment: options.environment,
      input: options.input,
      clock: options.clock ?? systemClock,
    });
    this.incarnation = `${this.#child.pid ?? 0}-${(options.random ?? systemRandom).id().slice(0, 12)}`;
    this.channel = this.#child.channel;
    this.#listenToWords();
    this.exited = this.#child.ended.then((end) => this.#end(end));
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** Ends the channel, and the process after a grace; resolves when it is gone. */
  async close(): Promise<void> {
    this.channel.end();
    const takeBack = (this.#options.clock ?? systemClock).after(CLOSE_GRACE_MS, () => this.kill());
    await this.exited;
    takeBack();
  }

  kill(): void {
    this.#child.kill();
  }

  #listenToWords(): void {
    for (const stream of this.#child.words) {
      const lines = new LineReader(LINE_CHARACTERS_MAX);
      stream.on("data", (chunk: Uint8Array) => this.#note(lines.push(chunk)));
      stream.on("end", () => this.#note(lines.end()));
    }
  }

  #note(lines: readonly string[]): void {
    for (const line of lines) this.#options.logger.warn({ pid: this.pid }, line);
    this.#lastWords.push(...lines);
    this.#lastWords.splice(0, this.#lastWords.length - LAST_WORDS_LINES);
  }

  async #end({ code, signal, failure }: ChildEnd): Promise<RunnerExit> {
    const exit = { code, signal, lastWords: failure ?? this.#lastWords.join("\n") };
    try {
      await this.#options.ended(exit);
    } catch (err) {
      this.#options.logger.error({ err }, "a runner's end left something behind");
    }
    return exit;
  }
}

/**
 * What whoever waits for a dead runner is told.
 * @param during what it did, such as ` while it loaded FILE`; may be empty
 * @param remedy for when the host ran out of memory, which is the likely reason of a SIGKILL
 */
export function runnerDeath(exit: RunnerExit, { during, remedy }: { readonly during: string; readonly remedy: string }): ServingError {
  const how = exit.signal === undefined ? `ended with code ${exit.code ?? "unknown"}` : `was ended by ${exit.signal}`;
  const memory = exit.signal === "SIGKILL" ? `: most likely the host ran out of memory; ${remedy}` : "";
  const words = exit.lastWords === "" || memory !== "" ? "" : `: ${exit.lastWords.split("\n").at(-1)}`;
  return new ServingError("UNAVAILABLE", `the runner ${how}${during}${memory}${words}`, { reason: deathReason(exit) });
}
