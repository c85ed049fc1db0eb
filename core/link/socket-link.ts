/**
 * One end of a link over a connected socket, after the hello: brings the multiplexer's bytes, and watches over the silence. Both
 * ends write at least every KEEPALIVE_MS; an end that hears nothing for LINK_SUSPECT_MS says so, and for LINK_SILENCE_MS takes the
 * peer for dead.
 */
import type { Socket } from "node:net";
import type { Clock } from "../clock.ts";
import { LINK_SILENCE_MS, LINK_SUSPECT_MS, type Link } from "./link.ts";
import { type Carrier, Multiplexer } from "./multiplexer.ts";

const KEEPALIVE_MS = LINK_SUSPECT_MS / 3;

/** The socket is the link's from here on. @param early what came behind the hello */
export function socketLink(socket: Socket, session: string, clock: Clock, early: Uint8Array): Link {
  return new SocketLink(socket, session, clock, early).multiplexer;
}

class SocketLink implements Carrier {
  readonly multiplexer: Multiplexer;
  readonly #socket: Socket;
  readonly #clock: Clock;
  readonly #written = () => this.multiplexer.drained();
  #takeBack: () => void = () => {};
  #lookedAtMs: number;
  #silentMs = 0;
  #heard = false;
  #sent = false;
  #corked = false;

  constructor(socket: Socket, session: string, clock: Clock, early: Uint8Array) {
    this.#socket = socket;
    this.#clock = clock;
    this.#lookedAtMs = clock.now();
    this.multiplexer = new Multiplexer(session, this);
    socket.on("data", (chunk: Uint8Array) => this.#receive(chunk));
    socket.on("error", (error) => this.#lost(`the connection broke: ${error.message}`));
    socket.on("end", () => this.#lost("closed by the peer"));
    socket.on("close", () => this.#lost("the connection is gone"));
    this.#watch();
    // Whoever gets the link listens first.
    if (early.byteLength > 0) socket.unshift(early);
    socket.resume();
  }

  get unsentBytes(): number {
    return this.#socket.writableLength;
  }

  /** What is sent in one turn of the event loop leaves in one write. */
  send(chunk: Uint8Array): void {
    if (!this.#corked) {
      this.#corked = true;
      this.#socket.cork();
      setImmediate(() => this.#uncork());
    }
    this.#sent = true;
    this.#socket.write(chunk, this.#written);
  }

  close(): void {
    this.#takeBack();
    this.#uncork();
    this.#socket.end();
    // A peer that reads no more must not hold the socket for ever.
    this.#takeBack = this.#clock.after(LINK_SILENCE_MS, () => this.#socket.destroy());
    this.#socket.once("close", () => this.#takeBack());
  }

  #uncork(): void {
    if (!this.#corked) return;
    this.#corked = false;
    this.#socket.uncork();
  }

  #receive(chunk: Uint8Array): void {
    this.#heard = true;
    // A view that is no Buffer: those slice otherwise, and memory hands none out.
    this.multiplexer.received(new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength));
  }

  /** While this process is held up nobody is silent: a look that comes late counts for one period. */
  #watch(): void {
    this.#takeBack = this.#clock.after(KEEPALIVE_MS, () => {
      const nowMs = this.#clock.now();
      const beforeMs = this.#silentMs;
      this.#silentMs = this.#heard ? 0 : beforeMs + Math.min(nowMs - this.#lookedAtMs, 2 * KEEPALIVE_MS);
      this.#lookedAtMs = nowMs;
      if (this.#silentMs >= LINK_SILENCE_MS) {
        this.#lost(`silent for ${LINK_SILENCE_MS} ms`);
        return;
      }
      if (beforeMs < LINK_SUSPECT_MS && this.#silentMs >= LINK_SUSPECT_MS) this.multiplexer.suspected();
      if (!this.#sent && this.unsentBytes === 0) this.multiplexer.ping();
      this.#heard = false;
      this.#sent = false;
      this.#watch();
    });
  }

  #lost(reason: string): void {
    this.#takeBack();
    this.#socket.destroy();
    this.multiplexer.lost(reason);
  }
}
