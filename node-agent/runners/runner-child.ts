/**
 * A runner's process: started with a channel to its agent, listened to, ended. Runners are processes of their own, so that a
 * native crash costs one shard or model and unloading returns all memory. They die with their agent.
 */
import { type ChildProcess, spawn } from "node:child_process";
import type { Duplex } from "node:stream";
import { type Clock, systemClock } from "../../core/clock.ts";
import { ServingError } from "../../core/errors.ts";
import { type Random, systemRandom } from "../../core/random.ts";
import type { Logger } from "../../core/telemetry/logger.ts";
import { deathReason } from "../../core/wire/runner-death.ts";
import type { RunnerExit } from "../../core/wire/runner-handle.ts";
import { CONTROL_FD } from "./control-protocol.ts";
import { LineReader } from "./line-reader.ts";

export interface RunnerChildOptions {
  /** The runner's main file; it gets this process's id, then the library's file if there is one. */
  readonly program: string;
  /** Another ONNX Runtime than the one that is installed. */
  readonly libraryFile?: string | undefined;
  readonly environment: NodeJS.ProcessEnv;
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
  readonly #child: ChildProcess;
  readonly #lastWords: string[] = [];
  #gone = false;

  constructor(options: RunnerChildOptions) {
    this.#options = options;
    const library = options.libraryFile === undefined ? [] : [options.libraryFile];
    this.#child = spawn(process.execPath, [options.program, String(process.pid), ...library], {
      stdio: ["ignore", "pipe", "pipe", "pipe"],
      env: options.environment,
    });
    this.incarnation = `${this.#child.pid ?? 0}-${(options.random ?? systemRandom).id().slice(0, 12)}`;
    this.channel = this.#child.stdio[CONTROL_FD] as Duplex; // "pipe" gives a socket, readable and writable
    this.#listenToWords();
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

  /** Ends the channel, and the process after a grace; resolves when it is gone. */
  async close(): Promise<void> {
    this.channel.end();
    const takeBack = (this.#options.clock ?? systemClock).after(CLOSE_GRACE_MS, () => this.kill());
    await this.exited;
    takeBack();
  }

  kill(): void {
    this.#child.kill("SIGKILL");
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

  #end(exit: RunnerExit, resolve: (exit: Promise<RunnerExit>) => void): void {
    if (this.#gone) return;
    this.#gone = true;
    const told = this.#options.ended(exit).catch((err) => this.#options.logger.error({ err }, "a runner's end left something behind"));
    resolve(told.then(() => exit));
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
