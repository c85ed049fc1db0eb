/**
 * Requests that have ended the processes that ran them, by what makes them the same: for a while they are refused here, before
 * they cost anybody else an instance. While there are none, no request is looked at. Pure.
 */
import { POISON_REQUEST, ServingError } from "../../core/errors.ts";

const REFUSED_MS = 600_000;
/** The oldest is forgotten first. */
const KEPT_MAX = 1_000;

export class PoisonRequests<Request extends { readonly model: string }> {
  readonly #keyOf: (request: Request) => string;
  /** When each was convicted, the oldest first. */
  readonly #convictedMs = new Map<string, number>();

  /** @param keyOf equal for requests that do the same to a process */
  constructor(keyOf: (request: Request) => string) {
    this.#keyOf = keyOf;
  }

  /** @throws ServingError INTERNAL, reason `poison_request`, when the request was convicted within the last ten minutes */
  refuse(request: Request, nowMs: number): void {
    this.#forget(nowMs);
    if (this.#convictedMs.size === 0 || !this.#convictedMs.has(this.#keyOf(request))) return;
    const message = `this request has ended processes of model '${request.model}' that ran it: it is refused for ${REFUSED_MS / 60_000} minutes`;
    throw new ServingError("INTERNAL", message, { reason: POISON_REQUEST });
  }

  /** @param thrown what the request failed with */
  note(request: Request, thrown: unknown, nowMs: number): void {
    if (!(thrown instanceof ServingError && thrown.reason === POISON_REQUEST)) return;
    const key = this.#keyOf(request);
    this.#convictedMs.delete(key); // to the end of the order
    this.#convictedMs.set(key, nowMs);
    const [oldest] = this.#convictedMs.keys();
    if (this.#convictedMs.size > KEPT_MAX && oldest !== undefined) this.#convictedMs.delete(oldest);
  }

  #forget(nowMs: number): void {
    for (const [key, convictedMs] of this.#convictedMs) {
      if (nowMs - convictedMs < REFUSED_MS) return;
      this.#convictedMs.delete(key);
    }
  }
}
