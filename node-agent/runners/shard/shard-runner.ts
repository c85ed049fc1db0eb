/** The runner's side of the control channel: opens the shard, connects its stage, ends when its agent does. */
import { readFile } from "node:fs/promises";
import type { Socket } from "node:net";
import path from "node:path";
import type { Clock } from "../../../core/clock.ts";
import { ServingError } from "../../../core/errors.ts";
import { parseShardDescription, type ShardDescription } from "../../../core/model/shard-description.ts";
import { watchMutualTls } from "../../../core/mutual-tls.ts";
import type { OpenShard, ShardOpened } from "../../../core/wire/runner-handle.ts";
import { Stage } from "../../../core/wire/stage.ts";
import { PREFILL_TOKENS_MAX } from "../../../core/wire/step-check.ts";
import { OrtRuntime } from "../../ort/runtime.ts";
import { CONTROL_LINE_BYTES_MAX, type ControlAnswer, type ControlRequest, encodeControl, parseRequest } from "../control-protocol.ts";
import { LineReader } from "../line-reader.ts";
import { lowerPriority } from "./load-priority.ts";
import { probe } from "./probe.ts";
import { ShardSession } from "./shard-session.ts";
import { ShardWork } from "./shard-work.ts";

export interface ShardRunnerOptions {
  readonly control: Socket;
  /** undefined: the runtime that is installed. */
  readonly libraryFile: string | undefined;
  readonly clock: Clock;
  /** Says something to whoever reads the agent's log. */
  readonly warn: (words: string) => void;
  /** Ends the process: the agent is gone or wants it. */
  readonly exit: () => void;
  /** What the process does from now on, for who lists processes. */
  readonly entitle: (title: string) => void;
}

/** Of a step's plan: admissions carry prompts. */
const PLAN_BYTES_MAX = 16 * 2 ** 20;

/** Serves until the control channel closes. */
export function serveShard(options: ShardRunnerOptions): void {
  const { control } = options;
  const runner = new ShardRunner(options);
  runner.loadRuntime();
  const lines = new LineReader(CONTROL_LINE_BYTES_MAX);
  control.on("data", (chunk: Uint8Array) => {
    for (const line of lines.push(chunk)) void runner.answer(line).then((answer) => control.write(encodeControl(answer)), options.exit);
  });
  control.on("error", options.exit);
  control.on("close", options.exit);
}

class ShardRunner {
  readonly #options: ShardRunnerOptions;
  #runtime: OrtRuntime | undefined;
  #stage: Stage | undefined;

  constructor(options: ShardRunnerOptions) {
    this.#options = options;
  }

  /** So that opening a shard need not; what is wrong with the library is said then. */
  loadRuntime(): void {
    try {
      this.#runtime = OrtRuntime.open(this.#options.libraryFile);
    } catch {}
  }

  /** Rejects only when the line is no request at all: whoever writes that is not our agent. */
  async answer(line: string): Promise<ControlAnswer> {
    const request = parseRequest(line);
    try {
      return await this.#do(request);
    } catch (thrown) {
      const { code, message, reason, cause } = ServingError.from(thrown);
      const origin = cause instanceof Error && code === "INTERNAL" ? `: ${cause.message}` : "";
      return { kind: "failed", id: request.id, code, message: message + origin, reason: reason ?? "" };
    }
  }

  async #do(request: ControlRequest): Promise<ControlAnswer> {
    const { id } = request;
    switch (request.kind) {
      case "open":
        return { kind: "opened", id, opened: await this.#open(request) };
      case "connect":
        if (this.#stage === undefined) throw new ServingError("FAILED_PRECONDITION", "a runner connects after it has opened its shard");
        await this.#stage.connect(request.to, NEVER);
        return { kind: "connected", id };
    }
  }

  async #open({ shard, listen, tls }: ControlRequest & { readonly kind: "open" }): Promise<ShardOpened> {
    if (this.#stage !== undefined) throw new ServingError("FAILED_PRECONDITION", "this runner holds a shard already");
    const description = await readDescription(shard.folder);
    checkShard(shard, description);
    this.#options.entitle(`nereid shard ${shard.replica} stage ${description.stage}`);
    const session = this.#load(shard, description);
    const activationBytes = session.first ? 0 : session.hiddenIn.byteLength + session.addendIn.byteLength;
    this.#stage = await Stage.open({
      replica: shard.replica,
      listen,
      work: new ShardWork(session),
      clock: this.#options.clock,
      payloadBytesMax: PLAN_BYTES_MAX + activationBytes,
      tls: tls && (await watchMutualTls(tls, { clock: this.#options.clock, warn: ({ message }) => this.#options.warn(message) })),
    });
    return { address: this.#stage.address, ...session.traits, residentBytes: process.memoryUsage.rss() };
  }

  /** A shard that is opened again is waited for: it is neither loaded with a lower priority nor probed. */
  #load(shard: OpenShard, description: ShardDescription): ShardSession {
    using _ = shard.known === undefined ? lowerPriority() : undefined;
    const session = new ShardSession(this.#runtime ?? OrtRuntime.open(this.#options.libraryFile), { ...shard, description });
    session.prepare();
    session.traits = shard.known ?? probe(session);
    session.cache.releaseAll();
    return session;
  }
}

/** The agent gives up by closing the channel or killing the process. */
const NEVER = new AbortController().signal;

async function readDescription(folder: string): Promise<ShardDescription> {
  const file = path.join(folder, "shard.json");
  const text = await readFile(file, "utf8").catch((cause) => {
    throw new ServingError("NOT_FOUND", `${file} cannot be read: cut the shard again`, { cause });
  });
  return parseShardDescription(text);
}

function checkShard(shard: OpenShard, description: ShardDescription): void {
  const { slots, contextLength, threads } = shard;
  if (slots < 1 || slots > 1024) throw new ServingError("INVALID_ARGUMENT", `${slots} slots are not possible: 1 to 1024`);
  if (threads < 1 || threads > 1024) throw new ServingError("INVALID_ARGUMENT", `${threads} threads are not possible: 1 to 1024`);
  // A prefill run has two tokens at least, and one more follows.
  if (contextLength < 4 || contextLength > description.contextLengthMax)
    throw new ServingError(
      "INVALID_ARGUMENT",
      `a context length of ${contextLength} is not possible: 4 to the model's ${description.contextLengthMax}`,
    );
  if (PREFILL_TOKENS_MAX * description.hiddenSize > 2 ** 31)
    throw new ServingError("UNIMPLEMENTED", `a hidden size of ${description.hiddenSize} is too large for this runner`);
}
