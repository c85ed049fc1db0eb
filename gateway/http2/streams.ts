/** The streams of one connection: which are open, how the others closed, what of their frames is right, and how many a client may have. */
import { ClosedStreams, type Closing } from "./closed-streams.ts";
import type { DataPiece } from "./frame-reader.ts";
import type { HeaderReader, WholeBlock } from "./header-reader.ts";
import type { ConnectionLimits } from "./limits.ts";
import type { Outbox } from "./outbox.ts";
import { RateLimit } from "./rate-limit.ts";
import { ReceiveWindow } from "./receive-window.ts";
import { ServerStream, type StreamHost } from "./server-stream.ts";
import { ERROR, type ErrorNumber, WINDOW, WINDOW_MAX } from "./wire-format.ts";

/** The connection, as the table of its streams sees it. */
export interface StreamsHost {
  readonly limits: ConnectionLimits;
  readonly outbox: Outbox;
  readonly remoteAddress: string;
  nowMs(): number;
  /** A request has come. */
  begin(stream: ServerStream): void;
  /** The client has done what ends the connection. */
  broken(error: ErrorNumber, why: string): void;
  /** The last of the streams has closed. */
  idle(): void;
}

/** What a client may send before it is used, on all streams together. */
export const CONNECTION_WINDOW_BYTES = 32 * 1024 * 1024;
/** Streams over the limit: a client opens some before it has read our settings. */
const REFUSALS = { perSecond: 100, burst: 1_000 };

export class Streams implements StreamHost {
  readonly outbox: Outbox;
  readonly remoteAddress: string;
  readonly #host: StreamsHost;
  readonly #reader: HeaderReader;
  readonly #open = new Map<number, ServerStream>();
  readonly #closed = new ClosedStreams();
  readonly #window = new ReceiveWindow(CONNECTION_WINDOW_BYTES);
  readonly #refusals = new RateLimit(REFUSALS);
  readonly #resets: RateLimit;
  #initialWindow = WINDOW;
  #last = 0;
  /** Later ones are not served. */
  #lastServed = WINDOW_MAX;

  constructor(reader: HeaderReader, host: StreamsHost) {
    const { streamsMax, resetsPerSecondMax } = host.limits;
    this.outbox = host.outbox;
    this.remoteAddress = host.remoteAddress;
    this.#host = host;
    this.#reader = reader;
    this.#resets = new RateLimit({ perSecond: resetsPerSecondMax, burst: 2 * streamsMax }); // a client may give up all its calls at once
  }

  get size(): number {
    return this.#open.size;
  }

  /** The client's latest. */
  get last(): number {
    return this.#last;
  }

  get initialWindow(): number {
    return this.#initialWindow;
  }

  /** New ones are refused from now on. */
  refuseNew(): void {
    this.#lastServed = this.#last;
  }

  /** HEADERS with all that belongs to them. */
  headers(block: WholeBlock): void {
    const stream = this.#open.get(block.stream);
    if (stream !== undefined) this.#trailers(stream, block);
    else if (block.stream > this.#last) this.#begin(block);
    else this.#late(block);
  }

  data({ stream: id, bytes, counted, padding, ends }: DataPiece): void {
    const stream = this.#open.get(id);
    if (!this.#window.arrive(counted)) {
      this.#host.broken(ERROR.flowControl, "more data than the connection's window has room for");
    } else if (stream === undefined) {
      this.used(counted);
      this.#dataOfNone(id);
    } else {
      const wrong = stream.receive(bytes, { counted, padding }) ?? (ends && !stream.closed ? stream.receiveEnd() : undefined);
      if (wrong !== undefined) this.misused(id, wrong);
    }
  }

  /** The client gives one up. */
  reset(id: number): void {
    if (id > this.#last) this.#host.broken(ERROR.protocol, "RST_STREAM of a stream that was never opened");
    else this.#countReset();
    const stream = this.#open.get(id);
    if (stream === undefined) return;
    this.#close(stream, "theirs");
    stream.handler.gone("canceled");
  }

  /** The client takes so many bytes more of one. */
  widen(id: number, bytes: number): void {
    const stream = this.#open.get(id);
    if (id > this.#last) this.#host.broken(ERROR.protocol, "WINDOW_UPDATE of a stream that was never opened");
    else if (bytes === 0) this.misused(id, ERROR.protocol);
    else if (stream !== undefined && !this.outbox.widenStream(stream.sending, bytes)) this.misused(id, ERROR.flowControl);
  }

  /** What new streams may be sent, and old ones by as much more or less. */
  resizeWindows(initial: number): void {
    const more = initial - this.#initialWindow;
    this.#initialWindow = initial;
    for (const { sending } of this.#open.values()) {
      if (!this.outbox.widenStream(sending, more)) this.#host.broken(ERROR.flowControl, "settings that make windows too large");
    }
  }

  /** Stops those whose clients read nothing. */
  sweep(nowMs: number): void {
    for (const stream of this.#open.values()) {
      if (stream.sending.stalledMs(nowMs) <= this.#host.limits.unreadMsMax) continue;
      this.ended(stream, ERROR.cancel);
      stream.handler.gone("unread");
    }
  }

  /** The connection is no more. */
  close(): void {
    for (const stream of this.#open.values()) {
      this.#close(stream, "theirs");
      stream.handler.gone("canceled");
    }
  }

  /** One whose frames are wrong is reset. Each counts as one that its client has reset: having us do it must not be cheaper. */
  misused(id: number, error: ErrorNumber): void {
    this.#countReset();
    const stream = this.#open.get(id);
    if (stream === undefined) {
      this.outbox.reset(id, error);
      return;
    }
    this.ended(stream, error);
    stream.handler.gone("canceled");
  }

  used(bytes: number): void {
    const opened = this.#window.use(bytes);
    if (opened > 0) this.outbox.windowUpdate(0, opened);
  }

  ended(stream: ServerStream, error?: ErrorNumber): void {
    if (stream.closed) return;
    const reset = error ?? (stream.requestEnded ? undefined : ERROR.none); // the rest of the request is of no use: RFC 9113, section 8.1
    if (reset !== undefined) this.outbox.reset(stream.id, reset);
    this.#close(stream, reset === undefined ? "both" : "ours");
  }

  #close(stream: ServerStream, closing: Closing): void {
    this.#open.delete(stream.id);
    this.#closed.add(stream.id, closing);
    this.outbox.forget(stream.sending);
    this.used(stream.close());
    if (this.#open.size === 0) this.#host.idle();
  }

  #begin(block: WholeBlock): void {
    const id = block.stream;
    const headers = this.#reader.request(block);
    this.#last = id;
    if (id % 2 === 0) this.#host.broken(ERROR.protocol, "a client's streams have odd numbers");
    else if (headers !== "malformed" && "kind" in headers) this.#host.broken(headers.error, headers.why);
    else if (id > this.#lastServed || this.#open.size >= this.#host.limits.streamsMax) this.#refuse(id);
    else if (headers === "malformed" || block.dependsOnItself) {
      this.#closed.add(id, "ours");
      this.misused(id, ERROR.protocol);
    } else this.#serve(new ServerStream(id, headers, this), block);
  }

  #serve(stream: ServerStream, { ends }: WholeBlock): void {
    this.#open.set(stream.id, stream);
    this.#host.begin(stream);
    const wrong = ends && !stream.closed ? stream.receiveEnd() : undefined;
    if (wrong !== undefined) this.misused(stream.id, wrong);
  }

  #refuse(id: number): void {
    this.#closed.add(id, "ours");
    this.outbox.reset(id, ERROR.refusedStream);
    if (!this.#refusals.take(this.#host.nowMs())) this.#host.broken(ERROR.enhanceYourCalm, "too many streams over the limit");
  }

  #trailers(stream: ServerStream, block: WholeBlock): void {
    const fine = this.#reader.trailers(block);
    if (typeof fine !== "boolean") {
      this.#host.broken(fine.error, fine.why);
      return;
    }
    const wrong = stream.requestEnded ? ERROR.streamClosed : fine && block.ends ? stream.receiveEnd() : ERROR.protocol;
    if (wrong !== undefined) this.misused(stream.id, wrong);
  }

  /** For a stream that is no more. They are read all the same: they may change what the next ones mean. */
  #late(block: WholeBlock): void {
    const fine = this.#reader.trailers(block);
    const closing = this.#closed.of(block.stream);
    if (typeof fine !== "boolean") this.#host.broken(fine.error, fine.why);
    else if (closing === "theirs") this.misused(block.stream, ERROR.streamClosed);
    else if (closing === "both") this.#host.broken(ERROR.streamClosed, "HEADERS behind the end of a stream");
    else if (closing === undefined) this.#host.broken(ERROR.protocol, "streams are opened in the order of their numbers");
  }

  #dataOfNone(id: number): void {
    if (id === 0 || id > this.#last) this.#host.broken(ERROR.protocol, "data of a stream that was never opened");
    else if (this.#closed.of(id) !== "ours") this.misused(id, ERROR.streamClosed);
  }

  #countReset(): void {
    if (!this.#resets.take(this.#host.nowMs())) this.#host.broken(ERROR.enhanceYourCalm, "too many streams that were reset");
  }
}
