/** Calls of other models that a Python model's process has under way. */
import { ServingError } from "../../core/errors.ts";
import type { CallingRequest } from "../../core/messages/calling-request.ts";
import type { InferHandle, InferSink } from "../../core/messages/infer-sink.ts";
import type { ModelControlRequest } from "../../core/messages/model-control.ts";
import type { ParameterValues } from "../../core/messages/parameter-value.ts";
import { callParameters, type PythonCall } from "../../core/messages/python-runner.ts";
import type { Tensor } from "../../core/tensor/tensor.ts";
import type { ModelCall, ModelCalls, ModelControls } from "../calls/model-calls.ts";
import type { PythonProcess, PythonResponse } from "../runners/python-process.ts";

export class PythonCalls {
  readonly #calls: ModelCalls & ModelControls;
  readonly #callerOf: (key: number | undefined) => CallingRequest | undefined;
  readonly #running = new Map<number, InferHandle>();

  /** @param callerOf on whose behalf it is */
  constructor(calls: ModelCalls & ModelControls, callerOf: (key: number | undefined) => CallingRequest | undefined) {
    this.#calls = calls;
    this.#callerOf = callerOf;
  }

  begin(number: number, call: PythonCall, inputs: readonly Tensor[], process: PythonProcess): void {
    const from = this.#callerOf(call.key);
    try {
      if (from === undefined) {
        const message = `model '${call.model}' is not called: no request is under way on whose behalf that would be`;
        throw new ServingError("FAILED_PRECONDITION", message);
      }
      this.#running.set(number, this.#calls.call(modelCall(call, inputs), from, this.#sink(number, process)));
    } catch (thrown) {
      process.answerCall(number, ServingError.from(thrown), true);
    }
  }

  /** Answered by the parameter `done`. */
  control(number: number, request: ModelControlRequest, process: PythonProcess): void {
    this.#calls.control(request).then(
      (done) => process.answerCall(number, [], true, new Map([["done", done]])),
      (thrown: unknown) => process.answerCall(number, ServingError.from(thrown), true),
    );
  }

  cancel(number: number): void {
    this.#running.get(number)?.cancel();
    this.#running.delete(number);
  }

  cancelAll(): void {
    for (const handle of this.#running.values()) handle.cancel();
    this.#running.clear();
  }

  #sink(number: number, process: PythonProcess): InferSink {
    const ended = (answer: PythonResponse, parameters?: ParameterValues) => {
      this.#running.delete(number);
      process.answerCall(number, answer, true, parameters);
    };
    return {
      answered: (outputs, _times, parameters) => ended(outputs.length === 0 ? undefined : outputs, parameters),
      failed: (error) => ended(error),
      respond: (response, parameters) => {
        process.answerCall(number, response, false, parameters);
        return true;
      },
    };
  }
}

function modelCall(call: PythonCall, inputs: readonly Tensor[]): ModelCall {
  const { model, version, id, timeout, outputs } = call;
  const parameters = callParameters(call);
  const sequence = call.text ?? (call.number === undefined ? 0n : BigInt(call.number));
  if (sequence !== 0n && sequence !== "") parameters.set("sequence_id", sequence);
  if ((call.flags & 1) !== 0) parameters.set("sequence_start", true);
  if ((call.flags & 2) !== 0) parameters.set("sequence_end", true);
  const wanted = version < 1 ? undefined : version;
  // A step of a sequence goes to the node that has it, which its gateway knows.
  const near = parameters.has("sequence_id") ? undefined : wanted;
  return { model, version: wanted, near, id, priority: 0, queueTimeoutUs: timeout, parameters, inputs, outputs };
}
