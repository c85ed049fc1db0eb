/** Writes any number of answers to a request on a link stream; what has no room holds the model back. */
import type { ServingError } from "../core/errors.ts";
import { FrameQueue } from "../core/link/frame-queue.ts";
import type { LinkStream } from "../core/link/link.ts";
import { encodeAnswer } from "../core/messages/answer-codec.ts";
import { failedAnswer } from "../core/messages/failed-answer.ts";
import type { InferTimes } from "../core/messages/infer.ts";
import type { InferHandle, InferSink, Response } from "../core/messages/infer-sink.ts";
import type { ParameterValues } from "../core/messages/parameter-value.ts";
import { finalResponseFrames, responseFrames } from "../core/messages/response-frames.ts";
import type { Tensor } from "../core/tensor/tensor.ts";

export class ResponseWriter implements InferSink {
  readonly #stream: LinkStream;
  readonly #queue: FrameQueue;
  #handle: InferHandle | undefined;
  #isOver = false;

  constructor(stream: LinkStream) {
    this.#stream = stream;
    this.#queue = new FrameQueue(stream, () => this.#handle?.resume?.());
  }

  /** The request runs; nothing has been answered yet. The stream's reset cancels it. */
  started(handle: InferHandle): void {
    this.#handle = handle;
    this.#stream.listen({
      frame: () => this.#stream.consumed(1),
      ended: (end) => {
        if (end.kind !== "end" && !this.#isOver) handle.cancel();
      },
      writable: () => this.#queue.writeOn(),
    });
  }

  respond(response: Response, parameters?: ParameterValues): boolean {
    return this.#queue.put(responseFrames(response, parameters));
  }

  answered(outputs: readonly Tensor[], times: InferTimes, parameters?: ParameterValues): void {
    this.#end(finalResponseFrames({ outputs, times, parameters }));
  }

  failed(error: ServingError): void {
    this.#end([encodeAnswer(failedAnswer(error))]);
  }

  #end(frames: readonly Uint8Array[]): void {
    this.#isOver = true;
    this.#queue.put(frames);
    this.#queue.end();
  }
}
