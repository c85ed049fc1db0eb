/** The process of an instance of a Python model, as its agent sees it. What the two say to each other is in `core/messages/python-runner.ts`. */
import { fileURLToPath } from "node:url";
import type { Clock } from "../../core/clock.ts";
import { ServingError } from "../../core/errors.ts";
import { type CustomChange, CustomChanges } from "../../core/messages/custom-metrics.ts";
import { decodeJson } from "../../core/messages/json-message.ts";
import type { ModelControlRequest } from "../../core/messages/model-control.ts";
import type { ParameterValues } from "../../core/messages/parameter-value.ts";
import {
  controlOf,
  encodeCallAnswer,
  encodeRequests,
  failureOf,
  PythonAnswer,
  PythonCall,
  PythonControl,
  PythonFailure,
  PythonLog,
  type PythonOpen,
  type PythonRequest,
  parametersOf,
  readAnnounced,
} from "../../core/messages/python-runner.ts";
import type { Logger } from "../../core/telemetry/logger.ts";
import type { Tensor } from "../../core/tensor/tensor.ts";
import type { ModelFrameHead } from "../../core/wire/model-wire.ts";
import { ModelSocket, type ModelSocketListener } from "../../core/wire/model-wire-socket.ts";
import type { RunnerExit } from "../../core/wire/runner-handle.ts";
import { RunnerChild, runnerDeath } from "./runner-child.ts";

export interface PythonProcessOptions {
  /** A path, or a name on the PATH. */
  readonly python: string;
  /** Gets what models print, and what they log. */
  readonly logger: Logger;
  readonly clock: Clock;
}

/** undefined: there is none, only the end. */
export type PythonResponse = readonly Tensor[] | ServingError | undefined;

/** What the model says of itself, while a batch is executed or after. Must not throw. */
export interface PythonListener {
  answered(key: number, response: PythonResponse, final: boolean, parameters: ParameterValues | undefined): void;
  called(number: number, call: PythonCall, inputs: readonly Tensor[]): void;
  controlled(number: number, request: ModelControlRequest): void;
  callCanceled(number: number): void;
  /** Of its own metrics. */
  measured(changes: readonly CustomChange[]): void;
}

const PROGRAM = fileURLToPath(new URL("./python/main.py", import.meta.url));
const NO_PYTHON = "install python3 and numpy, or name an interpreter that has numpy with --python";

interface Asked {
  readonly number: number;
  readonly what: string;
  readonly answer: PromiseWithResolvers<Uint8Array>;
}

export class PythonProcess implements ModelSocketListener {
  readonly #options: PythonProcessOptions;
  readonly #listener: PythonListener;
  readonly #child: RunnerChild;
  readonly #socket: ModelSocket;
  #asked: Asked | undefined;
  #questions = 0;
  #gone: ServingError | undefined;

  constructor(options: PythonProcessOptions, listener: PythonListener) {
    this.#options = options;
    this.#listener = listener;
    this.#child = new RunnerChild({
      ...options,
      interpreter: options.python,
      program: PROGRAM,
      environment: modelEnvironment(process.env),
      ended: (exit) => this.#ended(exit),
    });
    this.#socket = ModelSocket.over(this.#child.channel, this);
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

  /** @returns JSON: the completed configuration where that was asked for @throws ServingError what the model raised; the signal's reason */
  async open(model: PythonOpen, signal: AbortSignal): Promise<Uint8Array> {
    if (signal.aborted) throw signal.reason;
    const { number, answer } = this.#ask(` while it loaded ${model.file}`);
    const onAbort = () => {
      answer.reject(signal.reason);
      this.kill();
    };
    signal.addEventListener("abort", onAbort, { once: true });
    this.#socket.send("open", number, { head: Buffer.from(JSON.stringify(model)), parts: [], payloadBytes: 0 });
    try {
      return await answer.promise;
    } finally {
      signal.removeEventListener("abort", onAbort);
    }
  }

  /** Resolves when the model has executed the batch; requests may be answered later. @throws ServingError what the model raised */
  async execute(requests: readonly PythonRequest[]): Promise<void> {
    const { number, answer } = this.#ask("");
    this.#socket.send("execute", number, encodeRequests(requests));
    await answer.promise;
  }

  /** Nobody wants the request's answers any more. */
  cancel(key: number): void {
    this.#socket.send("cancel", key);
  }

  /** So many of the request's answers have been taken. */
  took(key: number, answers: number): void {
    this.#socket.send("room", key, { head: Buffer.from(String(answers)), parts: [], payloadBytes: 0 });
  }

  answerCall(number: number, answer: PythonResponse, final: boolean, parameters?: ParameterValues): void {
    this.#socket.send("answer", number, encodeCallAnswer(answer, final, parameters));
  }

  async close(): Promise<void> {
    await this.#child.close();
  }

  kill(): void {
    this.#child.kill();
  }

  room(): "pieces" {
    return "pieces";
  }

  frame({ kind, number, head }: ModelFrameHead, payload: readonly Uint8Array[]): void {
    switch (kind) {
      case "answer": {
        const { final, empty, outputs = [], error, parameters } = decodeJson(PythonAnswer, head);
        const response = error === undefined ? readAnnounced(outputs, payload) : failureOf(error);
        this.#listener.answered(number, empty ? undefined : response, final, parameters && parametersOf(parameters));
        return;
      }
      case "opened":
      case "result":
        this.#settled(number)?.resolve(Buffer.from(head));
        return;
      case "failed":
        this.#settled(number)?.reject(failureOf(decodeJson(PythonFailure, head)));
        return;
      case "call": {
        const call = decodeJson(PythonCall, head);
        this.#listener.called(number, call, readAnnounced(call.inputs, payload));
        return;
      }
      case "control":
        this.#listener.controlled(number, controlOf(decodeJson(PythonControl, head), payload));
        return;
      case "cancel":
        this.#listener.callCanceled(number);
        return;
      case "log": {
        const { level, message } = decodeJson(PythonLog, head);
        this.#options.logger[level]({ pid: this.pid }, message);
        return;
      }
      case "metrics":
        this.#listener.measured(decodeJson(CustomChanges, head));
        return;
      case "open":
      case "execute":
      case "room":
        throw new ServingError("DATA_LOSS", `a Python model sent '${kind}', which is an agent's to say`);
    }
  }

  gone(why: ServingError): void {
    if (why.code === "DATA_LOSS") {
      this.#options.logger.error({ pid: this.pid }, `${why.message}: it is killed`);
      this.kill();
    }
    this.#gone ??= new ServingError("UNAVAILABLE", "the process is ending", { reason: "runner_died", cause: why });
  }

  #ask(what: string): Asked {
    if (this.#gone !== undefined) throw this.#gone;
    if (this.#asked !== undefined) throw new ServingError("FAILED_PRECONDITION", "a Python model does one thing at a time");
    this.#questions = (this.#questions + 1) % 2 ** 32;
    this.#asked = { number: this.#questions, what, answer: Promise.withResolvers() };
    return this.#asked;
  }

  #settled(number: number): Asked["answer"] | undefined {
    const asked = this.#asked;
    if (asked?.number !== number) return undefined;
    this.#asked = undefined;
    return asked.answer;
  }

  async #ended(exit: RunnerExit): Promise<void> {
    const asked = this.#asked;
    this.#asked = undefined;
    this.#gone = this.#death(exit, asked?.what ?? "");
    asked?.answer.reject(this.#gone);
  }

  #death(exit: RunnerExit, during: string): ServingError {
    const { python } = this.#options;
    if (exit.code === undefined && exit.signal === undefined)
      return new ServingError("FAILED_PRECONDITION", `the interpreter '${python}' cannot be started (${exit.lastWords}): ${NO_PYTHON}`);
    return runnerDeath(exit, { during, remedy: "use fewer instances or a smaller max_batch_size" });
  }
}

/** Models are other people's programs: they do not see our settings, among which are passwords, and leave no files in the repository. */
function modelEnvironment(own: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const kept = Object.entries(own).filter(([name]) => !name.startsWith("NEREID_"));
  return { PYTHONUNBUFFERED: "1", PYTHONDONTWRITEBYTECODE: "1", ...Object.fromEntries(kept) };
}
