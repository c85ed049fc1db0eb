/**
 * Asks the node's gateways for model files that this machine has not: they have them, or know who has. A source that goes away in
 * the middle of a file is waited for, or another takes its place: the files are the same.
 */
import { type Clock, sleep } from "../../core/clock.ts";
import { ServingError } from "../../core/errors.ts";
import type { LinkStream, StreamEnd } from "../../core/link/link.ts";
import { decodeAnswer } from "../../core/messages/answer-codec.ts";
import { encodeJson } from "../../core/messages/json-message.ts";
import { encodeFilesCall, FILES_ANSWER_BYTES_MAX, type FilesRequest } from "../../core/messages/model-files.ts";
import { submitFrames } from "../../core/messages/submit-frames.ts";
import { WholeAnswer } from "../../core/messages/whole-answer.ts";
import { askEach } from "../../core/repository/ask-each.ts";
import type { AskFiles } from "../../core/repository/peer.ts";
import type { CallLine } from "../calls/link-upcalls.ts";

/** For so long a model that was there may have no node that has it. */
const SOURCE_AWAY_MS_MAX = 30_000;
const ASK_AGAIN_MS = 250;

export class GatewayFiles implements Disposable {
  readonly #clock: Clock;
  readonly #gateways = new Set<CallLine>();
  /** Models that somebody had. */
  readonly #seen = new Set<string>();
  readonly #closing = new AbortController();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** A gateway may be asked until `closed` resolves. */
  join(gateway: CallLine, closed: Promise<unknown>): void {
    this.#gateways.add(gateway);
    closed.finally(() => this.#gateways.delete(gateway)).catch(() => {});
  }

  readonly ask: AskFiles = async (request) => {
    const model = request.ask === "models" ? "" : `${request.model} ${request.source}`;
    const untilMs = this.#clock.now() + SOURCE_AWAY_MS_MAX;
    for (;;) {
      try {
        const answer = await this.#askGateways(request);
        this.#seen.add(model);
        return answer;
      } catch (thrown) {
        const { code, reason } = ServingError.from(thrown);
        const isAway = code === "UNAVAILABLE" || (reason === "model_not_found" && this.#seen.has(model));
        if (!isAway || this.#clock.now() >= untilMs) throw thrown;
      }
      await sleep(this.#clock, ASK_AGAIN_MS, this.#closing.signal);
    }
  };

  [Symbol.dispose](): void {
    this.#closing.abort(new ServingError("CANCELLED", "the node is being shut down"));
  }

  #askGateways(request: FilesRequest): Promise<Uint8Array> {
    const call = encodeFilesCall(encodeJson(request));
    const ways = [...this.#gateways].map((gateway) => () => answerOn(gateway.begin(), call));
    return askEach(ways, new ServingError("UNAVAILABLE", "the model's files are not on this node, and no gateway is connected to ask"));
  }
}

/** @throws what the other end failed with; ServingError UNAVAILABLE when the stream ended before the answer did */
function answerOn(stream: LinkStream, call: Uint8Array): Promise<Uint8Array> {
  const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>();
  const whole = new WholeAnswer({ what: "a gateway's answer about model files", bytesMax: FILES_ANSWER_BYTES_MAX });
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
    else reject(new ServingError("UNAVAILABLE", "the gateway that was asked for a model's files is gone"));
  };
  stream.listen({ frame: heard, ended });
  for (const frame of submitFrames(call)) stream.write(frame); // one or two: a stream begins with more credit
  stream.end();
  return promise;
}
