/**
 * Answers the calls that running requests make, from the node that runs them, of models on other nodes: an ensemble's steps; and what
 * the node itself asks for, as files of models. One desk for each link.
 */

import { ServingError } from "../../core/errors.ts";
import { FrameQueue } from "../../core/link/frame-queue.ts";
import type { Link, LinkStream } from "../../core/link/link.ts";
import { sendWhole } from "../../core/link/send-whole.ts";
import { encodeAnswer } from "../../core/messages/answer-codec.ts";
import { failedAnswer } from "../../core/messages/failed-answer.ts";
import type { CalledInfer, InferResult } from "../../core/messages/infer.ts";
import { decodeCalledInfer, encodeInferResult } from "../../core/messages/infer-codec.ts";
import { decodeNodeCall } from "../../core/messages/node-call.ts";
import { NO_PARAMETERS } from "../../core/messages/parameter-value.ts";
import { finalResponseFrames, responseFrames } from "../../core/messages/response-frames.ts";
import { FrameAssembler } from "../../core/messages/submit-frames.ts";
import type { DecoupledResponse } from "./inference.ts";

/** Calls that one request may have under way. */
export const CALLS_MAX = 256;

/** @param request a FilesRequest or a ModelControlRequest as JSON @throws ServingError why there is no answer */
export type AnswerNode = (request: Uint8Array) => Promise<Uint8Array>;

const noAnswer: AnswerNode = async () => {
  throw new ServingError("NOT_FOUND", "this gateway has no model files", { reason: "model_not_found" });
};

/** A request that may call: knows on whose behalf, and until when. */
export interface Caller {
  /** @throws ServingError as an inference of a client's would; the signal's reason */
  infer(call: CalledInfer, signal: AbortSignal): Promise<InferResult>;
  /** undefined: the model answers once. @throws ServingError NOT_FOUND, UNAVAILABLE; what is pulled as `infer` */
  responses(call: CalledInfer, signal: AbortSignal): AsyncIterable<DecoupledResponse> | undefined;
}

interface RunningCaller {
  readonly caller: Caller;
  readonly calls: Set<AbortController>;
}

export class CallDesk {
  readonly #link: Link;
  readonly #answerNode: AnswerNode;
  /** By the number of the request's stream. */
  readonly #callers = new Map<number, RunningCaller>();

  constructor(link: Link, answerNode: AnswerNode = noAnswer) {
    this.#link = link;
    this.#answerNode = answerNode;
    link.onStream((number) => this.#called(number));
  }

  /** The request on stream `number` may call until this is disposed; calls that are under way then are given up. */
  expect(number: number, caller: Caller): Disposable {
    const running: RunningCaller = { caller, calls: new Set() };
    this.#callers.set(number, running);
    return {
      [Symbol.dispose]: () => {
        this.#callers.delete(number);
        for (const call of running.calls) call.abort(new ServingError("CANCELLED", "the request that makes this call is over"));
      },
    };
  }

  #called(number: number): void {
    const stream = this.#link.open(number, "tensor");
    const assembler = new FrameAssembler();
    const gone = new AbortController();
    stream.listen({
      frame: (payload) => {
        stream.consumed(1);
        try {
          const bytes = assembler.push(payload);
          if (bytes !== undefined) this.#take(stream, bytes, gone);
        } catch (thrown) {
          fail(stream, ServingError.from(thrown));
        }
      },
      ended: (end) => {
        if (end.kind !== "end") gone.abort(new ServingError("CANCELLED", "the call was given up"));
      },
    });
  }

  #take(stream: LinkStream, bytes: Uint8Array, gone: AbortController): void {
    const request = decodeNodeCall(bytes);
    if (request === undefined) this.#start(stream, decodeCalledInfer(bytes), gone);
    else
      this.#answerNode(request)
        .then((answer) => sendWhole(stream, answer))
        .catch((thrown: unknown) => fail(stream, ServingError.from(thrown)));
  }

  #start(stream: LinkStream, call: CalledInfer, gone: AbortController): void {
    const running = this.#callers.get(call.caller);
    if (running === undefined) throw new ServingError("UNAVAILABLE", "the request that makes this call is over");
    const { caller, calls } = running;
    if (calls.size >= CALLS_MAX) {
      throw new ServingError("RESOURCE_EXHAUSTED", `a request has ${CALLS_MAX} calls under way, more must wait`);
    }
    calls.add(gone);
    answer(stream, call, caller, gone)
      .catch((thrown: unknown) => fail(stream, ServingError.from(thrown)))
      .finally(() => calls.delete(gone));
  }
}

async function answer(stream: LinkStream, call: CalledInfer, caller: Caller, gone: AbortController): Promise<void> {
  const responses = caller.responses(call, gone.signal);
  if (responses === undefined) sendWhole(stream, encodeInferResult(await caller.infer(call, gone.signal)));
  else await sendResponses(stream, responses, gone);
}

/** Pulls the next answer when the one before has left. */
async function sendResponses(stream: LinkStream, responses: AsyncIterable<DecoupledResponse>, gone: AbortController): Promise<void> {
  let wake = () => {};
  const queue = new FrameQueue(stream, () => wake());
  stream.listen({
    frame: () => stream.consumed(1),
    ended: (end) => {
      if (end.kind !== "end") gone.abort(new ServingError("CANCELLED", "the call was given up"));
      wake();
    },
    writable: () => queue.writeOn(),
  });
  let last: Pick<DecoupledResponse, "outputs" | "parameters"> = { outputs: [], parameters: NO_PARAMETERS };
  try {
    for await (const response of responses) {
      const { outputs, parameters, error, isFinal = false } = response;
      if (isFinal) last = response;
      else if (!queue.put(responseFrames(error ?? outputs, parameters)) && !gone.signal.aborted) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    }
    queue.put(finalResponseFrames({ outputs: last.outputs, parameters: last.parameters }));
  } catch (thrown) {
    queue.put([failedFrame(ServingError.from(thrown))]); // behind what waits: there may be no room for it yet
  }
  queue.end();
}

/** Instead of an answer. */
function fail(stream: LinkStream, error: ServingError): void {
  stream.write(failedFrame(error));
  stream.end();
}

const failedFrame = (error: ServingError): Uint8Array => encodeAnswer(failedAnswer(error));
