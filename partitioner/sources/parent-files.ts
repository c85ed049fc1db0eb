/** Asks the process that has started this one for model files, over the channel between them. */
import { ServingError } from "../../core/errors.ts";
import { decodeAnswer } from "../../core/messages/answer-codec.ts";
import { type ChildAsks, parentAnswers } from "../../core/messages/child-files.ts";
import { failureOf } from "../../core/messages/failed-answer.ts";
import type { AskFiles } from "../../core/repository/peer.ts";

/** Disposing it closes the channel: an open one keeps the process. */
export function parentFiles(): Disposable & { readonly ask: AskFiles } {
  const waiting = new Map<number, PromiseWithResolvers<Uint8Array>>();
  let asked = 0;
  process.on("message", (message) => {
    const answered = parentAnswers(message);
    if (answered === undefined) return;
    const { resolve, reject } = waiting.get(answered.number) ?? {};
    waiting.delete(answered.number);
    const answer = decodeAnswer(answered.answer);
    if (answer.kind === "part") resolve?.(answer.bytes);
    else reject?.(answer.kind === "failed" ? failureOf(answer) : new ServingError("INTERNAL", `the agent answered with ${answer.kind}`));
  });
  process.once("disconnect", () => {
    for (const { reject } of waiting.values()) reject(new ServingError("UNAVAILABLE", "the agent that has the files asked for is gone"));
  });
  return {
    ask(request) {
      const answer = Promise.withResolvers<Uint8Array>();
      const number = ++asked;
      waiting.set(number, answer);
      process.send?.({ number, request } satisfies ChildAsks);
      return answer.promise;
    },
    [Symbol.dispose]() {
      if (process.connected) process.disconnect();
    },
  };
}
