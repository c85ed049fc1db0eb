/**
 * Many streams over one carrier of bytes: the part of a link that every adapter shares. Control frames go first, then streams
 * take turns, a frame each; what is written in one go of the event loop leaves as one chunk.
 */
import { assert, ServingError } from "../errors.ts";
import { CALL_NUMBERS_FROM, type Link, type LinkStream, type StreamKind } from "./link.ts";
import {
  decodeCredit,
  decodeReason,
  encodeLinkFrames,
  encodeReason,
  type LinkFrame,
  LinkFrameReader,
  linkFrameBytes,
} from "./link-frames.ts";
import { MultiplexedStream, type StreamOwner } from "./multiplexed-stream.ts";
import { NumberTable } from "./number-table.ts";
import { SubmitWindow } from "./submit-window.ts";

/** Writing stops while so many bytes have not left, so that a control frame never waits behind more. */
const UNSENT_BYTES_MAX = 256 * 1024;
const NOT_OPENED = "nobody opened the stream";
const EMPTY = new Uint8Array(0);

/** What brings one link's bytes to its peer, in order. Calls `received`, `drained` and `lost` of the multiplexer. */
export interface Carrier {
  /** The chunk is the carrier's. */
  send(chunk: Uint8Array): void;
  /** Bytes given to `send` that have not left. */
  readonly unsentBytes: number;
  /** Sends what it was given, then ends the connection. Does not call `lost`. */
  close(): void;
}

export class Multiplexer implements Link {
  readonly session: string;
  readonly closed: Promise<string>;
  readonly #carrier: Carrier;
  readonly #reader = new LinkFrameReader();
  readonly #streams = new NumberTable<MultiplexedStream>();
  /** Numbers of streams that are over: late frames for them are dropped. */
  readonly #past = { submits: new SubmitWindow(), calls: new SubmitWindow() };
  readonly #owner: StreamOwner;
  #control: LinkFrame[] = [];
  /** Streams with something to send, in the order of their turns. */
  #ready: MultiplexedStream[] = [];
  #flushing = false;
  #onStream: ((number: number) => void) | undefined;
  #resolveClosed: (reason: string) => void;
  #open = true;

  constructor(session: string, carrier: Carrier) {
    this.session = session;
    this.#carrier = carrier;
    const { promise, resolve } = Promise.withResolvers<string>();
    this.closed = promise;
    this.#resolveClosed = resolve;
    this.#owner = {
      ready: (stream) => this.#enqueue(stream),
      sendControl: (frame) => this.#sendControl(frame),
      over: (stream) => {
        this.#streams.delete(stream);
        this.#markPast(stream.number);
      },
    };
  }

  open(number: number, kind: StreamKind): LinkStream {
    const known = this.#streams.get(number);
    if (known !== undefined) {
      assert(known.kind === kind, `stream ${number} is of kind ${known.kind}, not ${kind}`);
      return known;
    }
    const stream = new MultiplexedStream(number, kind, this.#owner);
    if (!this.#open) stream.finish({ kind: "lost" });
    else if (this.#isPast(number)) stream.finish({ kind: "reset", reason: "the stream is over" });
    else this.#streams.add(stream);
    return stream;
  }

  get streams(): number {
    return this.#streams.size;
  }

  onStream(listener: (number: number) => void): void {
    this.#onStream = listener;
  }

  close(): void {
    if (!this.#open) return;
    this.#flush();
    this.#carrier.close();
    this.lost("closed here");
  }

  /** Something to bring, so that the peer does not take silence for death. */
  ping(): void {
    this.#sendControl({ type: "ping", kind: "tokens", number: 0, payload: EMPTY });
  }

  /** Bytes from the peer; the chunk is the link's. */
  received(chunk: Uint8Array): void {
    try {
      for (const frame of this.#reader.read(chunk)) {
        if (!this.#open) return;
        this.#dispatch(frame);
      }
    } catch (thrown) {
      if (!(thrown instanceof ServingError && thrown.code === "DATA_LOSS")) throw thrown;
      this.#carrier.close();
      this.lost(thrown.message);
    }
  }

  /** The carrier has sent some of its bytes. */
  drained(): void {
    if (this.#open) this.#flush();
  }

  /** The carrier has brought nothing for so long that it may be dead. */
  suspected(): void {
    for (const stream of this.#streams.all()) stream.suspected();
  }

  /** It brings something again. */
  trusted(): void {
    for (const stream of this.#streams.all()) stream.trusted();
  }

  /** The connection is gone. */
  lost(reason: string): void {
    if (!this.#open) return;
    this.#open = false;
    this.#control = [];
    this.#ready = [];
    for (const stream of this.#streams.all()) stream.finish({ kind: "lost" });
    this.#resolveClosed(reason);
  }

  #dispatch(frame: LinkFrame): void {
    const stream = this.#streams.get(frame.number) ?? this.#unopened(frame);
    if (stream === undefined) return;
    switch (frame.type) {
      case "data":
        stream.received(frame.payload);
        break;
      case "end":
        stream.peerEnded();
        break;
      case "reset":
        stream.finish({ kind: "reset", reason: decodeReason(frame.payload) });
        break;
      case "credit":
        stream.credited(decodeCredit(frame.payload));
        break;
      case "ping":
        break;
    }
  }

  /** The stream of a frame that came before this end opened it; undefined when the frame is late, or nobody wants it. */
  #unopened(frame: LinkFrame): MultiplexedStream | undefined {
    if (frame.type === "ping" || this.#isPast(frame.number)) return undefined;
    if (frame.type === "data" || frame.type === "reset") this.#onStream?.(frame.number);
    const stream = this.#streams.get(frame.number);
    if (stream === undefined && frame.type !== "reset") {
      const { kind, number } = frame;
      this.#sendControl({ type: "reset", kind, number, payload: encodeReason(NOT_OPENED) });
    }
    if (stream === undefined) this.#markPast(frame.number);
    return stream;
  }

  #isPast(number: number): boolean {
    return number < CALL_NUMBERS_FROM ? this.#past.submits.seen(number) : this.#past.calls.seen(number - CALL_NUMBERS_FROM);
  }

  #markPast(number: number): void {
    if (number < CALL_NUMBERS_FROM) this.#past.submits.cancel(number);
    else this.#past.calls.cancel(number - CALL_NUMBERS_FROM);
  }

  #sendControl(frame: LinkFrame): void {
    if (!this.#open) return;
    this.#control.push(frame);
    this.#schedule();
  }

  #enqueue(stream: MultiplexedStream): void {
    if (stream.hasTurn) return;
    stream.hasTurn = true;
    this.#ready.push(stream);
    this.#schedule();
  }

  #schedule(): void {
    if (this.#flushing) return;
    this.#flushing = true;
    queueMicrotask(() => {
      this.#flushing = false;
      if (this.#open) this.#flush();
    });
  }

  #flush(): void {
    let room = UNSENT_BYTES_MAX - this.#carrier.unsentBytes;
    if (room <= 0) return;
    const frames = this.#control;
    this.#control = [];
    for (const frame of frames) room -= linkFrameBytes(frame);
    while (room > 0) {
      const stream = this.#ready.shift();
      if (stream === undefined) break;
      const frame = stream.nextFrame();
      if (frame !== undefined) {
        frames.push(frame);
        room -= linkFrameBytes(frame);
      }
      stream.hasTurn = stream.waiting;
      if (stream.hasTurn) this.#ready.push(stream);
    }
    if (frames.length > 0) this.#carrier.send(encodeLinkFrames(frames));
  }
}
