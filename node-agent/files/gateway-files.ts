/**
 * Asks the node's gateways for model files that this machine has not: they have them, or know who has. A source that goes away in
 * the middle of a file is waited for, or another takes its place: the files are the same.
 */
import { type Clock, sleep } from "../../core/clock.ts";
import { ServingError } from "../../core/errors.ts";
import { FILES_ANSWER_BYTES_MAX } from "../../core/messages/model-files.ts";
import type { AskFiles } from "../../core/repository/peer.ts";
import type { Gateways } from "../calls/gateways.ts";

/** For so long a model that was there may have no node that has it. */
const SOURCE_AWAY_MS_MAX = 30_000;
const ASK_AGAIN_MS = 250;
const ANSWER = { what: "model files that this node has not", bytesMax: FILES_ANSWER_BYTES_MAX };

export class GatewayFiles implements Disposable {
  readonly #clock: Clock;
  readonly #gateways: Gateways;
  /** Models that somebody had. */
  readonly #seen = new Set<string>();
  readonly #closing = new AbortController();

  constructor(gateways: Gateways, clock: Clock) {
    this.#gateways = gateways;
    this.#clock = clock;
  }

  readonly ask: AskFiles = async (request) => {
    const model = request.ask === "models" ? "" : `${request.model} ${request.source}`;
    const untilMs = this.#clock.now() + SOURCE_AWAY_MS_MAX;
    for (;;) {
      try {
        const answer = await this.#gateways.ask(request, ANSWER);
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
}
