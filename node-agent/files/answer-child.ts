/** Passes on what a child process asks of model files, and brings it the answers. */
import type { ChildProcess } from "node:child_process";
import { ServingError } from "../../core/errors.ts";
import { encodeAnswer } from "../../core/messages/answer-codec.ts";
import { childAsks, type ParentAnswers } from "../../core/messages/child-files.ts";
import { failedAnswer } from "../../core/messages/failed-answer.ts";
import type { AskFiles } from "../../core/repository/peer.ts";

/** For as long as it lives. @param child with a channel that clones values */
export function answerChild(child: ChildProcess, ask: AskFiles): void {
  child.on("message", (message) => {
    const asked = childAsks(message);
    if (asked === undefined) return;
    ask(asked.request)
      .then(
        (bytes) => encodeAnswer({ kind: "part", bytes }),
        (thrown: unknown) => encodeAnswer(failedAnswer(ServingError.from(thrown))),
      )
      .then((answer) => void child.send({ number: asked.number, answer } satisfies ParentAnswers, () => {})) // one that is gone wants none
      .catch(() => {});
  });
}
