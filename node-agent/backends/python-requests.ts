/** Requests that a Python model's process has been given and has not ended: their answers go to their senders as far as these have room. */
import { ServingError } from "../../core/errors.ts";
import type { CallingRequest } from "../../core/messages/calling-request.ts";
import type { ParameterValues } from "../../core/messages/parameter-value.ts";
import type { PythonRequest } from "../../core/messages/python-runner.ts";
import { backendFlags } from "../../core/messages/sequence-step.ts";
import type { Tensor } from "../../core/tensor/tensor.ts";
import type { PythonProcess, PythonResponse } from "../runners/python-process.ts";
import type { BackendRequest } from "./backend.ts";

interface Answer {
  readonly response: PythonResponse;
  readonly final: boolean;
  readonly parameters: ParameterValues | undefined;
}

interface OpenRequest {
  readonly key: number;
  readonly request: BackendRequest;
  readonly process: PythonProcess;
  /** Answers that came while the sender had no room: no more than the process may have on their way. */
  readonly waiting: Answer[];
  isFull: boolean;
  /** Answers that have been taken, and the process has not heard of. */
  taken: number;
}

/** So that not every answer costs a frame back; the process may have twice as many on their way. */
const TOLD_TOGETHER = 8;

export class PythonRequests {
  readonly #open = new Map<number, OpenRequest>();
  #keys = 0;

  begin(requests: readonly BackendRequest[], process: PythonProcess): readonly PythonRequest[] {
    return requests.map((request) => {
      this.#keys = (this.#keys + 1) % 2 ** 32;
      const key = this.#keys;
      this.#open.set(key, { key, request, process, waiting: [], isFull: false, taken: 0 });
      request.sender.signal.addEventListener("abort", () => this.#canceled(key), { once: true });
      return told(key, request);
    });
  }

  /** On whose behalf another model is called. @param key undefined: any request that is under way */
  callerOf(key: number | undefined): CallingRequest | undefined {
    const [first] = this.#open.values();
    return ((key === undefined ? undefined : this.#open.get(key)) ?? first)?.request.from;
  }

  answered(key: number, response: PythonResponse, final: boolean, parameters: ParameterValues | undefined): void {
    const open = this.#open.get(key);
    if (open === undefined) return; // it has been canceled
    if (open.isFull) open.waiting.push({ response, final, parameters });
    else this.#pass(open, { response, final, parameters });
  }

  failAll(error: ServingError): void {
    const failed = [...this.#open.values()];
    this.#open.clear();
    for (const { request } of failed) request.sender.end(error);
  }

  #pass(open: OpenRequest, { response, final, parameters }: Answer): void {
    const { key, request, process } = open;
    const given = response === undefined || response instanceof ServingError ? response : inOrder(response, request.outputs);
    if (final) {
      this.#open.delete(key);
      request.sender.end(given, parameters);
      return;
    }
    if (given === undefined) return;
    const room = request.sender.send(given, parameters);
    open.taken += 1;
    if (open.taken === TOLD_TOGETHER) {
      open.taken = 0;
      process.took(key, TOLD_TOGETHER);
    }
    if (room === undefined) return;
    open.isFull = true;
    void room.then(() => this.#resume(open));
  }

  #resume(open: OpenRequest): void {
    open.isFull = false;
    while (!open.isFull && this.#open.has(open.key)) {
      const next = open.waiting.shift();
      if (next === undefined) return;
      this.#pass(open, next);
    }
  }

  #canceled(key: number): void {
    const open = this.#open.get(key);
    if (open === undefined) return;
    this.#open.delete(key);
    open.process.cancel(key);
  }
}

function told(key: number, { id, parameters, timeoutUs, inputs, outputs }: BackendRequest): PythonRequest {
  return { key, id, ...backendFlags(parameters), timeoutUs, parameters, inputs, outputs };
}

/** Those that are there, in the order in which they are wanted. */
const inOrder = (tensors: readonly Tensor[], wanted: readonly string[]): readonly Tensor[] =>
  wanted.flatMap((name) => tensors.find((tensor) => tensor.name === name) ?? []);
