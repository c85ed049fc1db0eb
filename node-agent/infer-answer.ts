/** Starts an inference on a hosted model and sends its answer, or a decoupled model's answers, over the link stream. */

import type { ServingError } from "../core/errors.ts";
import type { LinkStream } from "../core/link/link.ts";
import { sendWhole } from "../core/link/send-whole.ts";
import { encodeAnswer } from "../core/messages/answer-codec.ts";
import type { Upcalls } from "../core/messages/calling-request.ts";
import { failedAnswer } from "../core/messages/failed-answer.ts";
import type { InferSubmit } from "../core/messages/infer.ts";
import { encodeInferResult } from "../core/messages/infer-codec.ts";
import type { InferHandle, InferSink } from "../core/messages/infer-sink.ts";
import type { InferenceEngine } from "./engines/inference-engine.ts";
import { ResponseWriter } from "./response-writer.ts";

/**
 * The stream's reset cancels the request down to the runner. What `infer` throws has not been executed. @throws ServingError
 * @param options.decoupled the model answers any number of times
 */
export function answerInference(
  stream: LinkStream,
  submit: InferSubmit,
  { engine, upcalls, decoupled }: { readonly engine: InferenceEngine; readonly upcalls: Upcalls; readonly decoupled: boolean },
): void {
  if (decoupled) answerOften(stream, submit, engine, upcalls);
  else answerOnce(stream, submit, engine, upcalls);
  stream.write(encodeAnswer({ kind: "accepted", queued: engine.load().queued }));
}

function answerOnce(stream: LinkStream, submit: InferSubmit, engine: InferenceEngine, upcalls: Upcalls): void {
  let over = false;
  const sink: InferSink = {
    answered(outputs, times, parameters) {
      over = true;
      sendWhole(stream, encodeInferResult({ outputs, times, parameters }));
    },
    failed(error: ServingError) {
      over = true;
      stream.write(encodeAnswer(failedAnswer(error)));
      stream.end();
    },
    moved(owner) {
      over = true;
      stream.write(encodeAnswer({ kind: "refused", reason: "not-owner", message: owner }));
      stream.end();
    },
  };
  const handle: InferHandle = engine.infer(submit, sink, upcalls);
  stream.listen({
    frame: () => stream.consumed(1),
    ended: (end) => {
      if (over || end.kind === "end") return;
      if (end.kind === "lost" && handle.lost !== undefined) handle.lost();
      else handle.cancel();
    },
  });
}

function answerOften(stream: LinkStream, submit: InferSubmit, engine: InferenceEngine, upcalls: Upcalls): void {
  const writer = new ResponseWriter(stream);
  writer.started(engine.infer(submit, writer, upcalls));
}
