/** One end of one stream of a multiplexed link: credit both ways, and the frames that wait for their turn to be sent. */
import { assert, ServingError } from "../errors.ts";
import { FRAME_BYTES_MAX, type LinkStream, STREAM_CREDIT, type StreamEnd, type StreamKind, type StreamListener } from "./link.ts";
import { encodeCredit, encodeReason, type LinkFrame } from "./link-frames.ts";
import type { Numbered } from "./number-table.ts";

/** What a stream asks of its link. */
export interface StreamOwner {
  /** Frames wait in `nextFrame`. */
  ready(stream: MultiplexedStream): void;
  /** Before any data. */
  sendControl(frame: LinkFrame): void;
  /** The stream is over. */
  over(stream: MultiplexedStream): void;
}

const EMPTY = new Uint8Array(0);

export class MultiplexedStream implements LinkStream, Numbered<MultiplexedStream> {
  readonly number: number;
  readonly kind: StreamKind;
  nextInSlot: MultiplexedStream | undefined;
  /** The link's: it waits for its turn to send. */
  hasTurn = false;
  readonly #owner: StreamOwner;
  #listener: StreamListener | undefined;
  /** Frames that came before `listen`. */
  #inbox: Uint8Array[] = [];
  #outgoing: Uint8Array[] = [];
  #writeCredit: number;
  /** Received and not yet consumed. */
  #unread = 0;
  /** Consumed and not yet given back to the writer. Invariant: #unread + #toReturn ≤ STREAM_CREDIT[kind]. */
  #toReturn = 0;
  #ending: "open" | "asked" | "sent" = "open";
  #peerEnded = false;
  #over: StreamEnd | undefined;

  constructor(number: number, kind: StreamKind, owner: StreamOwner) {
    this.number = number;
    this.kind = kind;
    this.#owner = owner;
    this.#writeCredit = STREAM_CREDIT[kind];
  }

  get credit(): number {
    return this.#over === undefined && this.#ending === "open" ? this.#writeCredit : 0;
  }

  listen(listener: StreamListener): void {
    this.#listener = listener;
    const inbox = this.#inbox;
    this.#inbox = [];
    for (const payload of inbox) listener.frame(payload);
    if (this.#over !== undefined) listener.ended(this.#over);
  }

  write(payload: Uint8Array): void {
    if (this.#over !== undefined || this.#ending !== "open") return;
    if (payload.byteLength > FRAME_BYTES_MAX) {
      throw new ServingError("RESOURCE_EXHAUSTED", `a frame of ${payload.byteLength} bytes is over the limit of ${FRAME_BYTES_MAX}`);
    }
    if (this.#writeCredit === 0) throw new ServingError("RESOURCE_EXHAUSTED", `stream ${this.number} has no credit left`);
    this.#writeCredit--;
    this.#outgoing.push(payload);
    this.#owner.ready(this);
  }

  consumed(count: number): void {
    if (this.#over !== undefined) return;
    assert(count <= this.#unread, `stream ${this.number} consumed ${count} frames of ${this.#unread}`);
    this.#unread -= count;
    this.#toReturn += count;
    if (this.#toReturn * 4 < STREAM_CREDIT[this.kind]) return;
    this.#owner.sendControl(this.#frame("credit", encodeCredit(this.#toReturn)));
    this.#toReturn = 0;
  }

  end(): void {
    if (this.#over !== undefined || this.#ending !== "open") return;
    this.#ending = "asked";
    this.#owner.ready(this);
  }

  reset(reason: string): void {
    if (this.#over !== undefined) return;
    this.#listener ??= { frame: () => {}, ended: () => {} };
    this.#owner.sendControl(this.#frame("reset", encodeReason(reason)));
    this.#close({ kind: "reset", reason });
  }

  /** The next frame to send; undefined when nothing waits. */
  nextFrame(): LinkFrame | undefined {
    const payload = this.#outgoing.shift();
    if (payload !== undefined) return this.#frame("data", payload);
    if (this.#ending !== "asked") return undefined;
    this.#ending = "sent";
    if (this.#peerEnded) this.finish({ kind: "end" });
    return this.#frame("end", EMPTY);
  }

  get waiting(): boolean {
    return this.#outgoing.length > 0 || this.#ending === "asked";
  }

  /** @throws ServingError DATA_LOSS when the peer wrote without credit, or after its end. */
  received(payload: Uint8Array): void {
    if (this.#peerEnded) throw new ServingError("DATA_LOSS", `the peer wrote to stream ${this.number} after ending it`);
    if (this.#unread + this.#toReturn >= STREAM_CREDIT[this.kind]) {
      throw new ServingError("DATA_LOSS", `the peer wrote to stream ${this.number} without credit`);
    }
    this.#unread++;
    if (this.#listener === undefined) this.#inbox.push(payload);
    else this.#listener.frame(payload);
  }

  credited(count: number): void {
    this.#writeCredit += count;
    if (this.#writeCredit > STREAM_CREDIT[this.kind])
      throw new ServingError("DATA_LOSS", `the peer gave stream ${this.number} too much credit`);
    if (this.credit > 0) this.#listener?.writable?.(this.credit);
  }

  suspected(): void {
    this.#listener?.suspected?.();
  }

  trusted(): void {
    this.#listener?.trusted?.();
  }

  peerEnded(): void {
    this.#peerEnded = true;
    if (this.#ending === "sent") this.finish({ kind: "end" });
  }

  /** Over, by the peer or with the link. */
  finish(end: StreamEnd): void {
    if (this.#over !== undefined) return;
    this.#close(end);
    this.#listener?.ended(end);
  }

  #close(end: StreamEnd): void {
    this.#over = end;
    this.#ending = "sent";
    this.#outgoing = [];
    this.#owner.over(this);
  }

  #frame(type: LinkFrame["type"], payload: Uint8Array): LinkFrame {
    return { type, kind: this.kind, number: this.number, payload };
  }
}
