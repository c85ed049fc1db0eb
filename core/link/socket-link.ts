/**
 * One end of a link over a connected socket, after the hello: brings the multiplexer's bytes, and watches over the silence. Both
 * ends write at least every two LOOK_EVERY_MS; LinkSilence judges what an end does not hear.
 */
import type { Socket } from "node:net";
import type { Clock } from "../clock.ts";
import { LINK_SILENCE_MS, type Link } from "./link.ts";
import { LinkSilence, LOOK_EVERY_MS } from "./link-silence.ts";
import { type Carrier, Multiplexer } from "./multiplexer.ts";

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
  readonly #silence = new LinkSilence();
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
    if (this.#silence.heard()) this.multiplexer.trusted();
    // A view that is no Buffer: those slice otherwise, and memory hands none out.
    this.multiplexer.received(new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength));
  }

  #watch(): void {
    this.#takeBack = this.#clock.after(LOOK_EVERY_MS, () => {
      const nowMs = this.#clock.now();
      const found = this.#silence.look(nowMs - this.#lookedAtMs);
      this.#lookedAtMs = nowMs;
      if (found === "dead") {
        this.#lost(`silent for ${LINK_SILENCE_MS} ms`);
        return;
      }
      if (found === "suspect") this.multiplexer.suspected();
      if (!this.#sent && this.unsentBytes === 0) this.multiplexer.ping();
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
