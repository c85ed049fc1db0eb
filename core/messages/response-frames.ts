/** One of any number of answers to an inference, as the frames that carry it, and back. Pure. */
import { ServingError } from "../errors.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { answerFrames } from "./answer-codec.ts";
import type { AnswerFrame } from "./generation.ts";
import type { InferResult, InferTimes } from "./infer.ts";
import { decodeInferResult, encodeInferResult } from "./infer-codec.ts";
import type { ParameterValues } from "./parameter-value.ts";
import { SUBMIT_BYTES_MAX } from "./submit-codec.ts";
import { WholeAnswer } from "./whole-answer.ts";

/** Times are told of the last answer. */
const NO_TIMES: InferTimes = { queueUs: 0, computeInputUs: 0, computeInferUs: 0, computeOutputUs: 0 };

export function responseFrames(response: readonly Tensor[] | ServingError, parameters?: ParameterValues): readonly Uint8Array[] {
  if (response instanceof ServingError) return answerFrames({ kind: "failed-response", code: response.code, message: response.message });
  return answerFrames({ kind: "response", isFinal: false, bytes: encodeInferResult({ outputs: response, times: NO_TIMES, parameters }) });
}

/** @param last without outputs: no answer, only the end */
export function finalResponseFrames({
  outputs,
  times = NO_TIMES,
  parameters,
}: Partial<InferResult> & Pick<InferResult, "outputs">): readonly Uint8Array[] {
  return answerFrames({ kind: "response", isFinal: true, bytes: encodeInferResult({ outputs, times, parameters }) });
}

export type AssembledResponse =
  | { readonly kind: "response" | "final"; readonly result: InferResult }
  /** This answer could not be made; others may follow. */
  | { readonly kind: "failed"; readonly error: ServingError };

/** Frames become answers. */
export class ResponseAssembler {
  readonly #answer = new WholeAnswer({ what: "an inference's result", bytesMax: SUBMIT_BYTES_MAX });

  /**
   * @returns the answer that the frame completes
   * @throws ServingError what the request failed with; as `WholeAnswer`
   */
  push(frame: AnswerFrame): AssembledResponse | undefined {
    if (frame.kind === "failed-response") return { kind: "failed", error: new ServingError(frame.code, frame.message) };
    if (frame.kind !== "response") {
      this.#answer.push(frame);
      return undefined;
    }
    this.#answer.add(frame.bytes);
    return { kind: frame.isFinal ? "final" : "response", result: decodeInferResult(this.whole()) };
  }

  /** What parts hold that no answer has ended: the answer of a model that answers once. */
  whole(): Uint8Array {
    return this.#answer.take();
  }
}
