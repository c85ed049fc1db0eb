/** One of any number of answers to an inference, as the frames that carry it, and back. Pure. */
import { joinedBytes } from "../bytes/joined-bytes.ts";
import { ServingError } from "../errors.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { failureOf } from "./failed-answer.ts";
import type { AnswerFrame } from "./generation.ts";
import { answerFrames } from "./generation-codec.ts";
import type { InferResult, InferTimes } from "./infer.ts";
import { decodeInferResult, encodeInferResult } from "./infer-codec.ts";
import { SUBMIT_BYTES_MAX } from "./submit-codec.ts";

/** Times are told of the last answer. */
const NO_TIMES: InferTimes = { queueUs: 0, computeInputUs: 0, computeInferUs: 0, computeOutputUs: 0 };

export function responseFrames(response: readonly Tensor[] | ServingError): readonly Uint8Array[] {
  if (response instanceof ServingError) return answerFrames({ kind: "failed-response", code: response.code, message: response.message });
  return answerFrames({ kind: "response", isFinal: false, bytes: encodeInferResult({ outputs: response, times: NO_TIMES }) });
}

/** @param last without outputs: no answer, only the end */
export function finalResponseFrames({
  outputs,
  times = NO_TIMES,
}: Partial<InferResult> & Pick<InferResult, "outputs">): readonly Uint8Array[] {
  return answerFrames({ kind: "response", isFinal: true, bytes: encodeInferResult({ outputs, times }) });
}

export type AssembledResponse =
  | { readonly kind: "response"; readonly outputs: readonly Tensor[] }
  | { readonly kind: "final"; readonly result: InferResult }
  /** This answer could not be made; others may follow. */
  | { readonly kind: "failed"; readonly error: ServingError };

/** Frames become answers. */
export class ResponseAssembler {
  #parts: Uint8Array[] = [];
  #bytes = 0;

  /**
   * @returns the answer that the frame completes
   * @throws ServingError what the request failed with; RESOURCE_EXHAUSTED for more bytes than an answer may have, INTERNAL for other frames
   */
  push(frame: AnswerFrame): AssembledResponse | undefined {
    switch (frame.kind) {
      case "part":
        this.#take(frame.bytes);
        return undefined;
      case "response": {
        this.#take(frame.bytes);
        const result = decodeInferResult(this.whole());
        return frame.isFinal ? { kind: "final", result } : { kind: "response", outputs: result.outputs };
      }
      case "failed-response":
        return { kind: "failed", error: new ServingError(frame.code, frame.message) };
      case "failed":
        throw failureOf(frame);
      case "refused":
        throw new ServingError("ABORTED", frame.message, { reason: frame.reason });
      case "accepted":
      case "tokens":
      case "finished":
        throw new ServingError("INTERNAL", `an inference was answered with ${frame.kind} instead of its result`);
    }
  }

  /** What parts hold that no answer has ended: the answer of a model that answers once. */
  whole(): Uint8Array {
    const bytes = joinedBytes(this.#parts, this.#bytes);
    this.#parts = [];
    this.#bytes = 0;
    return bytes;
  }

  #take(bytes: Uint8Array): void {
    this.#parts.push(bytes);
    this.#bytes += bytes.byteLength;
    if (this.#bytes > SUBMIT_BYTES_MAX)
      throw new ServingError("RESOURCE_EXHAUSTED", `an inference's result is over the limit of ${SUBMIT_BYTES_MAX} bytes`);
  }
}
