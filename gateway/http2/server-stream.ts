/** One request and its answer, as who serves it sees them. */
import type { Memory } from "../../core/bytes/lent-memory.ts";
import type { HeaderBlock } from "./hpack/encoder.ts";
import type { Outbox } from "./outbox.ts";
import { ReceiveWindow } from "./receive-window.ts";
import type { RequestHeaders } from "./request-headers.ts";
import { Sending } from "./sending.ts";
import { ERROR, type ErrorNumber } from "./wire-format.ts";

/** What a client may send of a request before it is used. */
export const STREAM_WINDOW_BYTES = 1024 * 1024;

/** Who serves a stream. */
export interface StreamHandler {
  /** A part of the body: to be copied before this returns. The client may send as much again once `use` says so. */
  data(bytes: Uint8Array): void;
  /** The request is whole. */
  end(): void;
  /** The stream has ended before its answer: the client has reset it, has gone, or reads nothing. */
  gone(why: "canceled" | "unread"): void;
  /** More may be written. */
  drained(): void;
}

/** The connection, as its streams see it. */
export interface StreamHost {
  readonly outbox: Outbox;
  readonly remoteAddress: string;
  /** What windows a new stream has to send. */
  readonly initialWindow: number;
  /** Bytes of a body, or its padding, are used. */
  used(bytes: number): void;
  /** Its end is written, or it was reset with an error. */
  ended(stream: ServerStream, error?: ErrorNumber): void;
}

/** Of streams that nobody serves. */
const NOBODY: StreamHandler = { data: () => undefined, end: () => undefined, gone: () => undefined, drained: () => undefined };

export class ServerStream {
  readonly id: number;
  readonly headers: RequestHeaders;
  readonly sending: Sending;
  /** To be set while the request is announced. */
  handler: StreamHandler = NOBODY;
  readonly #host: StreamHost;
  readonly #window = new ReceiveWindow(STREAM_WINDOW_BYTES);
  #bodyBytes = 0;
  #unused = 0;
  #requestEnded = false;
  #headersSent = false;
  #closed = false;

  constructor(id: number, headers: RequestHeaders, host: StreamHost) {
    this.id = id;
    this.headers = headers;
    this.#host = host;
    this.sending = new Sending(id, this, host.initialWindow);
  }

  get remoteAddress(): string {
    return this.#host.remoteAddress;
  }

  get headersSent(): boolean {
    return this.#headersSent;
  }

  get requestEnded(): boolean {
    return this.#requestEnded;
  }

  /** Whether who writes has to wait until its handler is told `drained`. */
  get isFull(): boolean {
    return this.sending.full;
  }

  /** Nothing more is sent, and nothing comes. */
  get closed(): boolean {
    return this.#closed;
  }

  respond(head: HeaderBlock): void {
    if (this.#closed || this.#headersSent) return;
    this.#headersSent = true;
    this.#host.outbox.headers(this.id, head, { ends: false });
  }

  /** Pieces must stay as they are. */
  write(pieces: readonly Uint8Array[]): void {
    if (!this.#closed) this.#host.outbox.data(this.sending, pieces);
  }

  /** Ends the answer. */
  end(trailers: HeaderBlock): void {
    if (!this.#closed) this.#host.outbox.data(this.sending, [], trailers);
  }

  /** The whole answer. Pieces must stay as they are. @param memory of the pieces: released when they have left */
  answer(head: HeaderBlock, pieces: readonly Uint8Array[], trailers: HeaderBlock, memory?: Memory): void {
    if (this.#closed) return;
    this.respond(head);
    this.sending.memory = memory;
    this.#host.outbox.data(this.sending, pieces, trailers);
  }

  /** The whole answer is in its head. */
  answerWithoutBody(head: HeaderBlock): void {
    if (this.#closed) return;
    this.#headersSent = true;
    this.#host.outbox.headers(this.id, head, { ends: true });
    this.sent();
  }

  reset(error: ErrorNumber): void {
    if (!this.#closed) this.#host.ended(this, error);
  }

  /** Bytes of the body are used: the client may send as many again. */
  use(bytes: number): void {
    if (this.#closed) return;
    this.#unused -= bytes;
    this.#host.used(bytes);
    const opened = this.#requestEnded ? 0 : this.#window.use(bytes);
    if (opened > 0) this.#host.outbox.windowUpdate(this.id, opened);
  }

  /** @returns what is wrong with it; it is not taken then */
  receive(bytes: Uint8Array, { counted, padding }: { readonly counted: number; readonly padding: number }): ErrorNumber | undefined {
    if (this.#requestEnded) return ERROR.streamClosed;
    if (!this.#window.arrive(counted)) return ERROR.flowControl;
    this.#unused += counted;
    this.#bodyBytes += bytes.byteLength;
    if (this.#bodyBytes > (this.headers.bodyBytes ?? Number.POSITIVE_INFINITY)) return ERROR.protocol;
    if (padding > 0) this.use(padding);
    if (bytes.byteLength > 0) this.handler.data(bytes);
    return undefined;
  }

  /** @returns what is wrong with a request that ends here */
  receiveEnd(): ErrorNumber | undefined {
    if (this.#requestEnded) return ERROR.streamClosed;
    this.#requestEnded = true;
    if (this.#bodyBytes !== (this.headers.bodyBytes ?? this.#bodyBytes)) return ERROR.protocol;
    this.handler.end();
    return undefined;
  }

  /** To be called once it is over. @returns the bytes of its body that nobody will use */
  close(): number {
    this.#closed = true;
    const unused = this.#unused;
    this.#unused = 0;
    return unused;
  }

  /** Of what is sent. */
  drained(): void {
    this.handler.drained();
  }

  /** Of what is sent. */
  sent(): void {
    this.#host.ended(this);
  }
}
