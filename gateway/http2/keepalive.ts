/** Decides when a connection is asked whether it is still there, sent away or cut, and whether its client pings too much. Pure. */
import type { ConnectionLimits } from "./limits.ts";

export class Keepalive {
  readonly #limits: ConnectionLimits;
  readonly #openedAtMs: number;
  #established = false;
  #isOld = false;
  #heardAtMs: number;
  #askedAtMs: number | undefined;
  /** Of the last ping since something was sent. */
  #pingedAtMs: number | undefined;
  #strikes = 0;

  constructor(limits: ConnectionLimits, nowMs: number) {
    this.#limits = limits;
    this.#openedAtMs = this.#heardAtMs = nowMs;
  }

  /** The client speaks HTTP/2. */
  established(): void {
    this.#established = true;
  }

  heard(nowMs: number): void {
    this.#heardAtMs = nowMs;
  }

  /** The client has answered. */
  answered(): void {
    this.#askedAtMs = undefined;
  }

  /** What is sent makes clients ping, to measure or to keep the way open: it forgives. */
  sent(): void {
    this.#strikes = 0;
    this.#pingedAtMs = undefined;
  }

  /** @returns whether the client may: too early is forgiven a few times */
  pinged(nowMs: number): boolean {
    const tooEarly = this.#pingedAtMs !== undefined && nowMs - this.#pingedAtMs < this.#limits.pingIntervalMsMin;
    this.#pingedAtMs = nowMs;
    return !tooEarly || ++this.#strikes <= this.#limits.pingStrikesMax;
  }

  /** To be asked now and then. `leave`, as gRPC has it: what is over keeps the connection no longer, what is not is given its grace. */
  due(nowMs: number): "cut" | "leave" | "ask" | undefined {
    const { connectionAgeMsMax = Number.POSITIVE_INFINITY, connectionAgeGraceMs = Number.POSITIVE_INFINITY } = this.#limits;
    const { handshakeMsMax, keepaliveMs, keepaliveAnswerMsMax } = this.#limits;
    const ageMs = nowMs - this.#openedAtMs;
    if (ageMs > connectionAgeMsMax + connectionAgeGraceMs) return "cut";
    if (!this.#established) return ageMs > handshakeMsMax ? "cut" : undefined;
    if (this.#askedAtMs !== undefined && nowMs - this.#askedAtMs > keepaliveAnswerMsMax) return "cut";
    if (ageMs > connectionAgeMsMax && !this.#isOld) {
      this.#isOld = true;
      return "leave";
    }
    if (this.#askedAtMs !== undefined || nowMs - this.#heardAtMs <= keepaliveMs) return undefined;
    this.#askedAtMs = nowMs;
    return "ask";
  }
}
