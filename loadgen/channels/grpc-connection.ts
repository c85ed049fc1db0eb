/**
 * The lean way over gRPC: HTTP/2 frames made once for each request, written together for all that are due in one turn. Of an answer
 * only its frames are seen: one without a message is an error, whose text only the status in the trailers would tell.
 */
import type net from "node:net";
import type { Call, Channel } from "../channel.ts";
import {
  type CallHead,
  callHeaders,
  clientHello,
  DEFAULT_FRAME_BYTES,
  DEFAULT_WINDOW,
  FLAG,
  FRAME,
  frame,
  HEAD_BYTES,
  SETTING,
  WINDOW_MAX,
  windowUpdate,
  writeHead,
} from "./http2-frames.ts";

/** What a message has in front: not compressed, and its length. */
const PREFIX_BYTES = 5;
/** Bytes of data after which the peer may send as many again. */
const WINDOW_STEP = 2 ** 28;
const NO_MESSAGE = "the server answered with an error instead of a message";

interface Stream {
  readonly call: Call;
  hasMessage: boolean;
  /** What of the request waits for the peer's windows. */
  rest: Buffer | undefined;
  window: number;
}

export interface PreparedCall {
  readonly head: CallHead;
  readonly message: Uint8Array;
}

interface Prepared {
  readonly headers: Buffer;
  /** With its prefix. */
  readonly message: Buffer;
}

export function prepareCall({ head, message }: PreparedCall): Prepared {
  const prefix = Buffer.alloc(PREFIX_BYTES);
  prefix.writeUInt32BE(message.byteLength, 1);
  return { headers: callHeaders(head), message: Buffer.concat([prefix, message]) };
}

export class GrpcConnection implements Disposable {
  readonly #socket: net.Socket;
  readonly #requests: readonly Prepared[];
  readonly #streams = new Map<number, Stream>();
  #nextStream = 1;
  #rest: Buffer | undefined;
  #out: Buffer[] = [];
  #flushing = false;
  #window = DEFAULT_WINDOW;
  #streamWindow = DEFAULT_WINDOW;
  #frameBytes = DEFAULT_FRAME_BYTES;
  #received = 0;
  #broken: string | undefined;

  constructor(socket: net.Socket, requests: readonly Prepared[]) {
    this.#socket = socket;
    this.#requests = requests;
    socket.setNoDelay(true);
    socket.on("data", (chunk: Buffer) => this.#take(chunk));
    socket.on("error", ({ message }) => this.#break(message));
    socket.on("close", () => this.#break("the server closed the connection"));
    socket.write(clientHello());
  }

  channel(): Channel {
    return { send: (request, call) => this.#send(request, call) };
  }

  [Symbol.dispose](): void {
    this.#broken = "the channel is closed";
    this.#socket.destroy();
  }

  #send(request: number, call: Call): void {
    const prepared = this.#requests[request % this.#requests.length];
    if (this.#broken !== undefined || prepared === undefined) {
      call.ended(this.#broken ?? "there is no request to send");
      return;
    }
    const number = this.#nextStream;
    this.#nextStream += 2;
    const stream: Stream = { call, hasMessage: false, rest: undefined, window: this.#streamWindow };
    this.#streams.set(number, stream);
    const { headers, message } = prepared;
    if (message.length <= Math.min(this.#frameBytes, this.#window, stream.window)) this.#writeWhole(number, prepared);
    else {
      this.#write(frame({ type: FRAME.headers, flags: FLAG.endHeaders, stream: number }, headers));
      stream.rest = message;
      this.#writeOn(number, stream);
    }
  }

  /** Headers and message as one piece. */
  #writeWhole(stream: number, { headers, message }: Prepared): void {
    const bytes = Buffer.allocUnsafe(2 * HEAD_BYTES + headers.length + message.length);
    writeHead(bytes, 0, { length: headers.length, type: FRAME.headers, flags: FLAG.endHeaders, stream });
    bytes.set(headers, HEAD_BYTES);
    const offset = HEAD_BYTES + headers.length;
    writeHead(bytes, offset, { length: message.length, type: FRAME.data, flags: FLAG.endStream, stream });
    bytes.set(message, offset + HEAD_BYTES);
    this.#window -= message.length;
    this.#write(bytes);
  }

  #writeOn(number: number, stream: Stream): void {
    while (stream.rest !== undefined) {
      const length = Math.min(stream.rest.length, this.#frameBytes, this.#window, stream.window);
      if (length <= 0) return;
      const isLast = length === stream.rest.length;
      const head = Buffer.allocUnsafe(HEAD_BYTES);
      writeHead(head, 0, { length, type: FRAME.data, flags: isLast ? FLAG.endStream : 0, stream: number });
      this.#write(head);
      this.#write(stream.rest.subarray(0, length));
      stream.rest = isLast ? undefined : stream.rest.subarray(length);
      this.#window -= length;
      stream.window -= length;
    }
  }

  #write(bytes: Buffer): void {
    this.#out.push(bytes);
    if (this.#flushing) return;
    this.#flushing = true;
    queueMicrotask(() => this.#flush());
  }

  #flush(): void {
    this.#flushing = false;
    const out = this.#out;
    this.#out = [];
    if (this.#broken !== undefined) return;
    this.#socket.cork();
    for (const bytes of out) this.#socket.write(bytes);
    this.#socket.uncork();
  }

  #take(chunk: Buffer): void {
    const bytes = this.#rest === undefined ? chunk : Buffer.concat([this.#rest, chunk]);
    let offset = 0;
    while (bytes.length - offset >= HEAD_BYTES) {
      const length = bytes.readUIntBE(offset, 3);
      const end = offset + HEAD_BYTES + length;
      if (end > bytes.length) break;
      this.#frame(bytes, offset, bytes.subarray(offset + HEAD_BYTES, end));
      offset = end;
    }
    this.#rest = offset === bytes.length ? undefined : bytes.subarray(offset);
    if (this.#received < WINDOW_STEP) return;
    this.#write(windowUpdate(this.#received));
    this.#received = 0;
  }

  #frame(bytes: Buffer, offset: number, payload: Buffer): void {
    const [type, flags] = [bytes[offset + 3], bytes[offset + 4] ?? 0];
    const number = bytes.readUInt32BE(offset + 5) & WINDOW_MAX;
    switch (type) {
      case FRAME.data:
      case FRAME.headers: {
        if (type === FRAME.data) this.#received += payload.length;
        const stream = this.#streams.get(number);
        if (stream === undefined) return;
        if (type === FRAME.data && payload.length > 0) stream.hasMessage = true;
        if ((flags & FLAG.endStream) !== 0) this.#end(number, stream.hasMessage ? undefined : NO_MESSAGE);
        return;
      }
      case FRAME.reset:
        this.#end(number, `the server reset the call with HTTP/2 error ${payload.readUInt32BE(0)}`);
        return;
      case FRAME.settings:
        if ((flags & FLAG.ack) === 0) this.#settings(payload);
        return;
      case FRAME.ping:
        if ((flags & FLAG.ack) === 0) this.#write(frame({ type: FRAME.ping, flags: FLAG.ack, stream: 0 }, payload));
        return;
      case FRAME.windowUpdate:
        this.#widen(number, payload.readUInt32BE(0));
        return;
      case FRAME.goAway:
        this.#break(`the server sends us away: ${payload.toString("utf8", 8)}`);
        return;
      default:
    }
  }

  #settings(payload: Buffer): void {
    for (let offset = 0; offset + 6 <= payload.length; offset += 6) {
      const value = payload.readUInt32BE(offset + 2);
      const name = payload.readUInt16BE(offset);
      if (name === SETTING.maxFrameSize) this.#frameBytes = value;
      if (name !== SETTING.initialWindowSize) continue;
      for (const stream of this.#streams.values()) stream.window += value - this.#streamWindow;
      this.#streamWindow = value;
    }
    this.#write(frame({ type: FRAME.settings, flags: FLAG.ack, stream: 0 }, Buffer.alloc(0)));
    this.#writeAllOn();
  }

  #widen(number: number, bytes: number): void {
    const stream = this.#streams.get(number);
    if (number === 0) this.#window += bytes;
    else if (stream !== undefined) stream.window += bytes;
    this.#writeAllOn();
  }

  #writeAllOn(): void {
    for (const [number, stream] of this.#streams) if (stream.rest !== undefined) this.#writeOn(number, stream);
  }

  #break(why: string): void {
    this.#broken ??= why;
    for (const number of [...this.#streams.keys()]) this.#end(number, why);
  }

  #end(number: number, failure: string | undefined): void {
    const stream = this.#streams.get(number);
    this.#streams.delete(number);
    stream?.call.ended(failure);
  }
}
