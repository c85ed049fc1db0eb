/** An answer that is one whole, put together from its parts: a text bundle, an inference's result, statistics. */

import { joinedBytes } from "../../core/bytes/joined-bytes.ts";
import { ServingError } from "../../core/errors.ts";
import { failureOf } from "../../core/messages/failed-answer.ts";
import type { InferResult } from "../../core/messages/infer.ts";
import { decodeInferResult } from "../../core/messages/infer-codec.ts";
import { SUBMIT_BYTES_MAX } from "../../core/messages/submit-codec.ts";
import type { AnswerStream } from "./answer-stream.ts";

export interface WholeAnswerOptions {
  /** Names the answer in errors. */
  readonly what: string;
  readonly bytesMax: number;
}

/** @throws what the agent failed with; ServingError ABORTED with the refusal's reason when it did not execute after all, ServingError RESOURCE_EXHAUSTED when there is more than `bytesMax`, INTERNAL for anything but parts. */
export async function wholeAnswer(answers: AnswerStream, { what, bytesMax }: WholeAnswerOptions): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let length = 0;
  answers.doneWriting();
  for (let frames = await answers.pull(); frames.length > 0; frames = await answers.pull()) {
    for (const frame of frames) {
      if (frame.kind === "failed") throw failureOf(frame);
      if (frame.kind === "refused") throw new ServingError("ABORTED", frame.message, { reason: frame.reason });
      if (frame.kind !== "part") throw new ServingError("INTERNAL", `a node answered with ${frame.kind} instead of ${what}`);
      parts.push(frame.bytes);
      length += frame.bytes.byteLength;
    }
    if (length > bytesMax) throw new ServingError("RESOURCE_EXHAUSTED", `${what} is over the limit of ${bytesMax} bytes`);
  }
  return joinedBytes(parts, length);
}

/** @throws ServingError as `wholeAnswer` */
export async function inferResult(answers: AnswerStream): Promise<InferResult> {
  return decodeInferResult(await wholeAnswer(answers, { what: "an inference's result", bytesMax: SUBMIT_BYTES_MAX }));
}
