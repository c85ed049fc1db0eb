/** Starts an inference on a hosted model and sends its one answer over the link stream. */
import type { ServingError } from "../core/errors.ts";
import type { LinkStream } from "../core/link/link.ts";
import { encodeAnswer } from "../core/messages/generation-codec.ts";
import type { InferSubmit } from "../core/messages/infer.ts";
import { encodeInferResult } from "../core/messages/infer-codec.ts";
import type { InferenceEngine, InferHandle } from "./engines/inference-engine.ts";
import { sendWhole } from "./whole-answer.ts";

/** The stream's reset cancels the request down to the runner. What `infer` throws has not been executed. @throws ServingError */
export function answerInference(stream: LinkStream, submit: InferSubmit, engine: InferenceEngine): void {
  let over = false;
  const handle: InferHandle = engine.infer(submit, {
    answered(outputs, times) {
      over = true;
      sendWhole(stream, encodeInferResult({ outputs, times }));
    },
    failed(error: ServingError) {
      over = true;
      stream.write(encodeAnswer({ kind: "failed", code: error.code, message: error.message }));
      stream.end();
    },
  });
  stream.listen({
    frame: () => stream.consumed(1),
    ended: (end) => {
      if (!over && end.kind !== "end") handle.cancel();
    },
  });
  stream.write(encodeAnswer({ kind: "accepted", queued: engine.load().queued }));
}
