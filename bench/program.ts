/** Programs that a benchmark starts: tools that print their result, and servers that stay until they are closed. None outlives us. */
import { type ChildProcess, type SpawnOptions, spawn } from "node:child_process";
import { deadlineSignal, untilAborted } from "../core/abort.ts";
import { systemClock } from "../core/clock.ts";
import { ServingError } from "../core/errors.ts";

export interface ProgramOptions {
  readonly cwd?: string;
  /** As taskset's -c, such as `0`; any unless said. */
  readonly cores?: string | undefined;
  readonly signal: AbortSignal;
  /** Of a tool: until it ends. Of a server: until it is ready. */
  readonly limitMs: number;
}

const OUTPUT_CHARACTERS_MAX = 2 ** 24;
const LAST_WORDS_CHARACTERS = 2_000;
const CLOSE_GRACE_MS = 5_000;

/** Leaders of process groups that live. */
const living = new Set<number>();
let watching = false;

/** Runs a tool to its end. @returns its standard output. @throws ServingError with its last words when it fails; the signal's reason. */
export async function runTool(program: string, args: readonly string[], options: ProgramOptions): Promise<string> {
  await using running = startProgram(program, args, { ...options, ending: "at once" });
  const { code } = await within(options, running, (signal) => running.ended(signal));
  if (code === 0) return running.output;
  throw running.failure(`ended with code ${code}`);
}

/** Starts a server and waits for what it prints when it is ready. @throws ServingError with its last words when it ends before. */
export async function startServer(
  program: string,
  args: readonly string[],
  ready: RegExp,
  options: ProgramOptions,
): Promise<{ readonly program: Program; readonly match: RegExpExecArray }> {
  await using stack = new AsyncDisposableStack();
  const running = stack.use(startProgram(program, args, options));
  const match = await within(options, running, (signal) => running.printed(ready, signal));
  stack.move();
  return { program: running, match };
}

interface StartOptions extends Pick<ProgramOptions, "cwd" | "cores"> {
  /** Whether it is asked to end before it is killed; tools have nothing to lose. */
  readonly ending?: "asked" | "at once";
}

/** Starts it in a process group of its own, so that all that it starts can be ended with it. */
export function startProgram(program: string, args: readonly string[], { cwd, cores, ending = "asked" }: StartOptions = {}): Program {
  const options: SpawnOptions = { stdio: ["ignore", "pipe", "pipe"], detached: true, cwd };
  const child = cores === undefined ? spawn(program, args, options) : spawn("taskset", ["-c", cores, program, ...args], options);
  return new Program(child, { name: program, ending });
}

export class Program implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #name: string;
  readonly #graceMs: number;
  readonly #ended: Promise<{ readonly code: number | string }>;
  #output = "";
  #words = "";
  #heard = () => {};
  #over = false;

  constructor(child: ChildProcess, { name, ending }: { readonly name: string; readonly ending: "asked" | "at once" }) {
    this.#child = child;
    this.#name = name;
    this.#graceMs = ending === "asked" ? CLOSE_GRACE_MS : 0;
    if (child.pid !== undefined) remember(child.pid);
    child.stdout?.setEncoding("utf8").on("data", (text: string) => {
      this.#output = (this.#output + text).slice(-OUTPUT_CHARACTERS_MAX);
      this.#hear(text);
    });
    child.stderr?.setEncoding("utf8").on("data", (text: string) => this.#hear(text));
    const { promise, resolve } = Promise.withResolvers<{ readonly code: number | string }>();
    this.#ended = promise;
    const end = (code: number | string) => {
      this.#over = true;
      resolve({ code });
      this.#heard();
    };
    child.once("error", (error) => end(error.message));
    child.once("close", (code, signal) => end(code ?? signal ?? "unknown"));
  }

  /** @throws ServingError when it could not be started. */
  get pid(): number {
    const { pid } = this.#child;
    if (pid === undefined) throw this.failure("could not be started");
    return pid;
  }

  /** It has ended, and so has what it wrote. */
  get over(): boolean {
    return this.#over;
  }

  /** All of its standard output. */
  get output(): string {
    return this.#output;
  }

  ended(signal: AbortSignal): Promise<{ readonly code: number | string }> {
    return untilAborted(this.#ended, signal);
  }

  /** Waits for a match in what it writes, to either stream. @throws ServingError when it ends before; the signal's reason. */
  async printed(pattern: RegExp, signal: AbortSignal): Promise<RegExpExecArray> {
    for (;;) {
      const match = pattern.exec(this.#words);
      if (match !== null) return match;
      if (this.#over) throw this.failure("ended before it was ready");
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#heard = resolve;
      await untilAborted(promise, signal);
    }
  }

  failure(what: string): ServingError {
    const words = this.#words.trim().slice(-LAST_WORDS_CHARACTERS);
    return new ServingError("INTERNAL", `${this.#name} ${what}${words === "" ? "" : `; its last words:\n${words}`}`);
  }

  /** Asks it to end, kills what is left of its group, and returns when it is gone. */
  async [Symbol.asyncDispose](): Promise<void> {
    const { pid } = this.#child;
    if (pid === undefined) return;
    if (!this.#over) {
      this.#child.kill("SIGTERM");
      const takeBack = systemClock.after(this.#graceMs, () => killGroup(pid));
      await this.#ended;
      takeBack();
    }
    killGroup(pid);
    living.delete(pid);
  }

  #hear(text: string): void {
    this.#words = (this.#words + text).slice(-OUTPUT_CHARACTERS_MAX);
    this.#heard();
  }
}

/** @throws ServingError with the program's last words when the limit has passed. */
async function within<T>(options: ProgramOptions, running: Program, act: (signal: AbortSignal) => Promise<T>): Promise<T> {
  using limit = deadlineSignal(systemClock, options.limitMs, options.signal);
  try {
    return await act(limit.signal);
  } catch (thrown) {
    const late = limit.signal.aborted && !options.signal.aborted;
    throw late ? running.failure(`was not done after ${options.limitMs / 1_000} s`) : thrown;
  }
}

function remember(pid: number): void {
  living.add(pid);
  if (watching) return;
  watching = true;
  process.once("exit", () => {
    for (const leader of living) killGroup(leader);
  });
}

function killGroup(leader: number): void {
  try {
    process.kill(-leader, "SIGKILL");
  } catch {
    // nobody of it is left
  }
}
