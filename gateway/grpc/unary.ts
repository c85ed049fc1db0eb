/** Runs a unary call: one whole message in, the handler, one message out. */
import { ServingError } from "../../core/errors.ts";
import type { Frame } from "./message-reader.ts";
import type { Message, UnaryMethod } from "./method.ts";
import type { RequestMessages } from "./request-messages.ts";
import type { RunningCall } from "./running-call.ts";

/** @param done called once, when the handler has ended and its answer is written */
export function runUnary(method: UnaryMethod, call: RunningCall, messages: RequestMessages, done: () => void): void {
  const { stream } = call;
  let request: Frame | undefined;
  let settled = false;
  const settle = () => {
    if (settled) return;
    settled = true;
    messages.release();
    done();
  };
  const fail = (thrown: unknown) => {
    call.fail(ServingError.from(thrown));
    settle();
  };
  call.awaitRequest(true);
  stream.on("data", (chunk: Uint8Array) => {
    if (call.ended) return;
    call.awaitRequest(true);
    try {
      for (const frame of messages.push(chunk)) {
        if (request !== undefined) throw new ServingError("UNIMPLEMENTED", `${method.method} takes one message, and the client sent more`);
        request = frame;
      }
    } catch (thrown) {
      fail(thrown);
    }
  });
  stream.on("end", () => {
    call.awaitRequest(false);
    if (call.ended) return settle();
    if (request === undefined || messages.partial) {
      const sent = messages.partial ? "a part of one" : "none";
      return fail(new ServingError("INTERNAL", `${method.method} takes one message, and the client sent ${sent}`));
    }
    handle(method, request, call, messages, { settle, fail });
  });
  call.onGone = () => {
    if (!stream.readableEnded) settle(); // before its end there is no handler to wait for
  };
}

interface Ends {
  settle(): void;
  fail(thrown: unknown): void;
}

/** Without waiting where nothing has to be waited for: this is the path of every small request. */
function handle(method: UnaryMethod, frame: Frame, call: RunningCall, messages: RequestMessages, { settle, fail }: Ends): void {
  const answer = (message: Message) => {
    const written = call.answer(message);
    if (written === undefined) settle();
    else written.then(settle, fail);
  };
  try {
    const outcome = frame.compressed
      ? messages.inflated(frame).then((bytes) => method.handle(bytes, call))
      : method.handle(frame.bytes, call);
    if (outcome instanceof Promise) outcome.then(answer).catch(fail);
    else answer(outcome);
  } catch (thrown) {
    fail(thrown);
  }
}
