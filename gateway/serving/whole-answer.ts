/** Pulls an answer that is one whole: a text bundle, an inference's result, statistics. */
import type { InferResult } from "../../core/messages/infer.ts";
import { decodeInferResult } from "../../core/messages/infer-codec.ts";
import { SUBMIT_BYTES_MAX } from "../../core/messages/submit-codec.ts";
import { WholeAnswer, type WholeAnswerOptions } from "../../core/messages/whole-answer.ts";
import type { AnswerStream } from "./answer-stream.ts";

/** @throws as `WholeAnswer` */
export async function wholeAnswer(answers: AnswerStream, options: WholeAnswerOptions): Promise<Uint8Array> {
  const whole = new WholeAnswer(options);
  answers.doneWriting();
  for (let frames = await answers.pull(); frames.length > 0; frames = await answers.pull()) for (const frame of frames) whole.push(frame);
  return whole.take();
}

/** @throws ServingError as `wholeAnswer` */
export async function inferResult(answers: AnswerStream): Promise<InferResult> {
  return decodeInferResult(await wholeAnswer(answers, { what: "an inference's result", bytesMax: SUBMIT_BYTES_MAX }));
}
