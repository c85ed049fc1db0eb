/** Watches one connection: that it becomes HTTP/2 in time, that its client is still there, and that it does not ping too much. */
import { constants, type Http2Session } from "node:http2";
import type { Sweep } from "../http/sweep.ts";
import type { GrpcLimits } from "./limits.ts";

export class Connection {
  readonly session: Http2Session;
  readonly #limits: GrpcLimits;
  readonly #sweep: Sweep;
  readonly #openedAtMs: number;
  #established = false;
  #isOld = false;
  #heardAtMs: number;
  #askedAtMs: number | undefined;
  /** Of the last ping since something was sent. */
  #pingedAtMs: number | undefined;
  #strikes = 0;

  constructor(session: Http2Session, limits: GrpcLimits, sweep: Sweep) {
    this.session = session;
    this.#limits = limits;
    this.#sweep = sweep;
    this.#heardAtMs = sweep.nowMs();
    this.#openedAtMs = this.#heardAtMs;
    session.once("remoteSettings", () => {
      this.#established = true;
    });
    session.on("ping", () => this.#pinged());
  }

  /** A call has come. */
  heard(): void {
    this.#heardAtMs = this.#sweep.nowMs();
  }

  /** What is sent makes clients ping, to measure or to keep the way open: it forgives. */
  sent(): void {
    this.#strikes = 0;
    this.#pingedAtMs = undefined;
  }

  sweep(nowMs: number): void {
    this.#age(nowMs - this.#openedAtMs);
    const { handshakeMsMax, keepaliveMs, keepaliveAnswerMsMax } = this.#limits;
    const silentMs = nowMs - this.#heardAtMs;
    if (!this.#established && silentMs > handshakeMsMax) {
      this.session.destroy();
    } else if (this.#askedAtMs !== undefined) {
      if (nowMs - this.#askedAtMs > keepaliveAnswerMsMax) this.session.destroy();
    } else if (silentMs > keepaliveMs && !this.session.destroyed) {
      this.#askedAtMs = nowMs;
      this.session.ping(() => {
        this.#askedAtMs = undefined;
        this.heard();
      });
    }
  }

  /** As gRPC has it: GOAWAY, then what is over keeps the connection no longer, what is not is given the grace. */
  #age(ageMs: number): void {
    const { connectionAgeMsMax = Number.POSITIVE_INFINITY, connectionAgeGraceMs = Number.POSITIVE_INFINITY } = this.#limits;
    if (ageMs > connectionAgeMsMax && !this.#isOld) {
      this.#isOld = true;
      this.session.close();
    }
    if (ageMs > connectionAgeMsMax + connectionAgeGraceMs) this.session.destroy();
  }

  #pinged(): void {
    const nowMs = this.#sweep.nowMs();
    this.#heardAtMs = nowMs;
    const tooEarly = this.#pingedAtMs !== undefined && nowMs - this.#pingedAtMs < this.#limits.pingIntervalMsMin;
    this.#pingedAtMs = nowMs;
    if (!tooEarly || ++this.#strikes <= this.#limits.pingStrikesMax) return;
    this.session.goaway(constants.NGHTTP2_ENHANCE_YOUR_CALM, 0, Buffer.from("too_many_pings"));
    this.session.destroy(undefined, constants.NGHTTP2_ENHANCE_YOUR_CALM);
  }
}
