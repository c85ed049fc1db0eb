/** Lets a request be answered while its instance goes on. */
import { ServingError } from "../../core/errors.ts";
import type { BackendRequest } from "./backend.ts";

/** What `answer` throws ends the request, unless nobody wants it any more. */
export function answerDetached(request: BackendRequest, answer: (request: BackendRequest) => Promise<void>): void {
  const { sender } = request;
  answer(request).catch((thrown: unknown) => {
    if (!sender.isCanceled) sender.end(ServingError.from(thrown));
  });
}
