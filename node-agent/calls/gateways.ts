/** The gateways that have a link to this node: whom it asks on its own behalf. */
import { ServingError } from "../../core/errors.ts";
import type { LinkStream, StreamEnd } from "../../core/link/link.ts";
import { decodeAnswer } from "../../core/messages/answer-codec.ts";
import { encodeJson } from "../../core/messages/json-message.ts";
import { encodeNodeCall } from "../../core/messages/node-call.ts";
import { submitFrames } from "../../core/messages/submit-frames.ts";
import { WholeAnswer, type WholeAnswerOptions } from "../../core/messages/whole-answer.ts";
import { askEach } from "../../core/repository/ask-each.ts";
import type { CallLine } from "./link-upcalls.ts";

export class Gateways {
  readonly #lines = new Set<CallLine>();

  /** A gateway may be asked until `closed` resolves. */
  join(gateway: CallLine, closed: Promise<unknown>): void {
    this.#lines.add(gateway);
    closed.finally(() => this.#lines.delete(gateway)).catch(() => {});
  }

  /**
   * Asks one after the other while another one may know better.
   * @param request becomes JSON
   * @throws ServingError as `askEach`; UNAVAILABLE when there is no gateway, or one went in the middle of its answer
   */
  ask(request: unknown, answer: WholeAnswerOptions): Promise<Uint8Array> {
    const frames = submitFrames(encodeNodeCall(encodeJson(request)));
    const ways = [...this.#lines].map((gateway) => () => answerOn(gateway.begin(), frames, answer));
    return askEach(ways, new ServingError("UNAVAILABLE", `no gateway is connected to ask for ${answer.what}`));
  }
}

/** @throws what the other end failed with; ServingError UNAVAILABLE when the stream ended before the answer did */
function answerOn(stream: LinkStream, frames: readonly Uint8Array[], options: WholeAnswerOptions): Promise<Uint8Array> {
  const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>();
  const whole = new WholeAnswer(options);
  const heard = (payload: Uint8Array) => {
    stream.consumed(1);
    try {
      whole.push(decodeAnswer(payload));
    } catch (thrown) {
      const error = ServingError.from(thrown);
      stream.reset(error.message);
      reject(error);
    }
  };
  const ended = (end: StreamEnd) => {
    if (end.kind === "end") resolve(whole.take());
    else reject(new ServingError("UNAVAILABLE", `the gateway that was asked for ${options.what} is gone`));
  };
  let sent = 0;
  const sendOn = () => {
    if (sent === frames.length) return;
    for (; stream.credit > 0 && sent < frames.length; sent++) stream.write(frames[sent] ?? new Uint8Array(0));
    if (sent === frames.length) stream.end();
  };
  stream.listen({ frame: heard, ended, writable: sendOn });
  sendOn();
  return promise;
}
