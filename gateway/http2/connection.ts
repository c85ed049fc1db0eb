/** One connection of a client: what it says of itself, how its frames are told apart, and how it ends. Source: RFC 9113. */
import type { Socket } from "node:net";
import { letGo } from "../../core/bytes/let-go.ts";
import { type DataPiece, type FrameHead, FrameReader, type FrameSink } from "./frame-reader.ts";
import { type Broken, HEADER_LIST_BYTES_MAX, HeaderReader, type WholeBlock } from "./header-reader.ts";
import { Keepalive } from "./keepalive.ts";
import type { ConnectionLimits } from "./limits.ts";
import { Outbox, type OutboxHost } from "./outbox.ts";
import { parseSettings } from "./peer-settings.ts";
import { openingOf, VERSION_ANSWER } from "./preface.ts";
import { RateLimit } from "./rate-limit.ts";
import { type ServerStream, STREAM_WINDOW_BYTES } from "./server-stream.ts";
import { CONNECTION_WINDOW_BYTES, Streams, type StreamsHost } from "./streams.ts";
import { ERROR, type ErrorNumber, FLAG, FRAME, number31, PREFACE, SETTING, WINDOW, WINDOW_MAX } from "./wire-format.ts";

/** The server, as its connections see it. */
export interface ConnectionHost {
  readonly limits: ConnectionLimits;
  nowMs(): number;
  /** A request has come: sets the stream's handler, or answers it. */
  begin(stream: ServerStream): void;
  closed(connection: Connection): void;
}

/** Frames that bring nothing. */
const IDLE_FRAMES = { perSecond: 10_000, burst: 10_000 };
/** A client may say of each frame it gets that it has room for more, in its stream and in all. */
const FRAMES_PER_ANSWER = 2;
/** What clients get to read the last frames, and to stop sending. */
const LINGER_MS_MAX = 2_000;
/** Told to leave, a client has so long to say that it knows. */
const LEAVING_MS_MAX = 1_000;
const PING_BYTES = 8;
const KEEPALIVE_PING = Buffer.from("alive?\0\0", "latin1");
const LEAVING_PING = Buffer.from("leaving\0", "latin1");

export class Connection implements FrameSink, StreamsHost, OutboxHost {
  readonly limits: ConnectionLimits;
  readonly outbox: Outbox;
  readonly remoteAddress: string;
  readonly #socket: Socket;
  readonly #host: ConnectionHost;
  readonly #frames: FrameReader;
  readonly #headers = new HeaderReader();
  readonly #streams: Streams;
  readonly #keepalive: Keepalive;
  readonly #idleFrames = new RateLimit(IDLE_FRAMES);
  #heardAtMs: number;
  /** What came of the preface; undefined: it is whole. */
  #opening: Buffer | undefined = Buffer.alloc(0);
  #hasSettings = false;
  /** When the client was told to leave. */
  #leavingSinceMs: number | undefined;
  #saidLast = false;
  /** When the last was said. */
  #endedAtMs: number | undefined;

  constructor(socket: Socket, host: ConnectionHost) {
    this.limits = host.limits;
    this.remoteAddress = socket.remoteAddress ?? "";
    this.#socket = socket;
    this.#host = host;
    this.#heardAtMs = host.nowMs();
    this.outbox = new Outbox(socket, this);
    this.#frames = new FrameReader(this);
    this.#streams = new Streams(this.#headers, this);
    this.#keepalive = new Keepalive(host.limits, this.#heardAtMs);
    socket.on("data", (chunk: Buffer<ArrayBuffer>) => this.#hear(chunk));
    socket.on("drain", () => this.outbox.drained());
    socket.on("end", () => this.cut()); // nobody reads an answer behind the end of what was sent
    socket.on("close", () => this.#closed());
    socket.on("error", () => undefined); // a broken connection tells by closing
  }

  get over(): boolean {
    return this.#endedAtMs !== undefined;
  }

  nowMs(): number {
    return this.#host.nowMs();
  }

  begin(stream: ServerStream): void {
    this.#host.begin(stream);
  }

  answering(): void {
    this.#keepalive.sent();
    this.#idleFrames.giveBack(FRAMES_PER_ANSWER);
  }

  /** Sends the client away: what runs goes on, and what it sends before it knows is still served. */
  leave(): void {
    if (this.over || this.#leavingSinceMs !== undefined) return;
    this.#leavingSinceMs = this.#host.nowMs();
    this.outbox.goAway(WINDOW_MAX, ERROR.none, "");
    this.outbox.ping(LEAVING_PING, { isAnswer: false });
  }

  /** As `leave`, but nothing more is served. It closes when nothing runs on it. */
  leaveNow(): void {
    if (this.over || this.#saidLast) return;
    this.#saidLast = true;
    this.#streams.refuseNew();
    this.outbox.goAway(this.#streams.last, ERROR.none, "");
    this.idle();
  }

  cut(): void {
    this.#socket.destroy();
  }

  sweep(nowMs: number): void {
    if (this.#endedAtMs !== undefined) {
      if (nowMs - this.#endedAtMs > LINGER_MS_MAX) this.cut();
      return;
    }
    if (this.#leavingSinceMs !== undefined && nowMs - this.#leavingSinceMs > LEAVING_MS_MAX) this.leaveNow();
    this.#streams.sweep(nowMs);
    const due = this.outbox.unreadMs(nowMs) > this.limits.unreadMsMax ? "cut" : this.#keepalive.due(nowMs);
    if (due === "cut") this.cut();
    else if (due === "leave") this.leave();
    else if (due === "ask") this.outbox.ping(KEEPALIVE_PING, { isAnswer: false });
  }

  data(piece: DataPiece): void {
    if (this.#isOutOfOrder(FRAME.data)) return;
    if (piece.counted === 0 && piece.bytes.byteLength === 0 && !piece.ends) this.#countIdleFrame();
    this.#streams.data(piece);
  }

  frame(head: FrameHead, payload: Buffer): void {
    if (this.#isOutOfOrder(head.type)) return;
    switch (head.type) {
      case FRAME.headers:
        if (head.stream === 0) this.broken(ERROR.protocol, "HEADERS of no stream");
        else this.#block(this.#headers.headers(head, payload));
        return;
      case FRAME.continuation:
        this.#block(this.#headers.continuation(head, payload));
        return;
      case FRAME.windowUpdate:
        this.#widen(head, payload);
        return;
      case FRAME.reset:
        if (this.#isWrong(head, payload, { bytes: 4, ofStream: true })) return;
        this.#streams.reset(head.stream);
        return;
      case FRAME.settings:
        this.#settings(head, payload);
        return;
      case FRAME.ping:
        this.#ping(head, payload);
        return;
      case FRAME.priority:
        this.#priority(head, payload);
        return;
      case FRAME.pushPromise:
        this.broken(ERROR.protocol, "clients push nothing");
        return;
      case FRAME.goAway:
        if (payload.byteLength < 8) this.broken(ERROR.frameSize, "GOAWAY that is too short");
        else if (head.stream !== 0) this.broken(ERROR.protocol, "GOAWAY of a stream");
        return;
      default:
        this.#countIdleFrame(); // what is unknown is passed over: RFC 9113, section 5.5
    }
  }

  /** Ends the connection: tells the client why, and gives it time to read that. */
  broken(error: ErrorNumber, why: string): void {
    if (this.over) return;
    this.outbox.goAway(this.#streams.last, error, why);
    this.#end();
  }

  /** Nothing runs. */
  idle(): void {
    if (this.#saidLast && this.#streams.size === 0 && !this.over) this.#end();
  }

  #end(): void {
    this.#endedAtMs = this.#host.nowMs();
    this.#streams.close();
    this.outbox.end();
  }

  #hear(chunk: Buffer<ArrayBuffer>): void {
    if (this.over) return; // nobody will answer it
    this.#heardAtMs = this.#host.nowMs();
    this.#keepalive.heard(this.#heardAtMs);
    if (this.#opening === undefined) this.#frames.push(chunk);
    else this.#open(Buffer.concat([this.#opening, chunk]));
    letGo(chunk); // what is wanted of it is copied
  }

  #open(bytes: Buffer): void {
    this.#opening = bytes;
    switch (openingOf(bytes)) {
      case "partial":
        return;
      case "preface":
        this.#opening = undefined;
        this.outbox.settings([
          [SETTING.concurrentStreamsMax, this.limits.streamsMax],
          [SETTING.initialWindowSize, STREAM_WINDOW_BYTES],
          [SETTING.headerListSizeMax, HEADER_LIST_BYTES_MAX],
        ]);
        this.outbox.windowUpdate(0, CONNECTION_WINDOW_BYTES - WINDOW);
        this.#frames.push(bytes.subarray(PREFACE.byteLength));
        return;
      case "http/1":
        this.#socket.write(VERSION_ANSWER);
        this.#end();
        return;
      case "unknown":
        this.broken(ERROR.protocol, "no HTTP/2");
    }
  }

  /** SETTINGS come first, and nothing comes between the frames of a header block. */
  #isOutOfOrder(type: number): boolean {
    const fine = this.#headers.isOpen ? type === FRAME.continuation : this.#hasSettings || type === FRAME.settings;
    if (!fine) this.broken(ERROR.protocol, this.#hasSettings ? "a frame within a header block" : "SETTINGS come first");
    return !fine;
  }

  /** Of frames of one length, which belong to a stream or to the connection. */
  #isWrong(
    { stream }: FrameHead,
    { byteLength }: Buffer,
    { bytes, ofStream }: { readonly bytes: number; readonly ofStream: boolean },
  ): boolean {
    if (byteLength !== bytes) this.broken(ERROR.frameSize, `a frame of ${byteLength} bytes where it has ${bytes}`);
    else if ((stream !== 0) !== ofStream)
      this.broken(ERROR.protocol, ofStream ? "a frame of no stream" : "a stream's frame of the connection");
    return this.over;
  }

  #block(block: WholeBlock | Broken | undefined): void {
    if (block?.kind === "broken") this.broken(block.error, block.why);
    else if (block !== undefined) this.#streams.headers(block);
  }

  #widen(head: FrameHead, payload: Buffer): void {
    if (this.#isWrong(head, payload, { bytes: 4, ofStream: head.stream !== 0 })) return;
    const bytes = number31(payload, 0);
    this.#countIdleFrame();
    if (head.stream !== 0) this.#streams.widen(head.stream, bytes);
    else if (bytes === 0) this.broken(ERROR.protocol, "WINDOW_UPDATE by nothing");
    else if (!this.outbox.widen(bytes)) this.broken(ERROR.flowControl, "a window that is too large");
  }

  #settings(head: FrameHead, payload: Buffer): void {
    this.#countIdleFrame();
    const isAck = (head.flags & FLAG.ack) !== 0;
    if (this.#isWrong(head, payload, { bytes: isAck ? 0 : payload.byteLength, ofStream: false }) || isAck) return;
    const settings = parseSettings(payload);
    if (typeof settings === "number") {
      this.broken(settings, "settings that are none");
      return;
    }
    if (!this.#hasSettings) this.#keepalive.established();
    this.#hasSettings = true;
    this.outbox.settingsAck();
    if (settings.frameBytesMax !== undefined) this.outbox.frameBytesMax = settings.frameBytesMax;
    if (settings.initialWindow !== undefined) this.#streams.resizeWindows(settings.initialWindow);
  }

  #ping(head: FrameHead, payload: Buffer): void {
    if (this.#isWrong(head, payload, { bytes: PING_BYTES, ofStream: false })) return;
    this.#countIdleFrame();
    if ((head.flags & FLAG.ack) === 0) {
      if (this.#keepalive.pinged(this.#heardAtMs)) this.outbox.ping(payload, { isAnswer: true });
      else this.broken(ERROR.enhanceYourCalm, "too_many_pings"); // gRPC's clients know this text, and ping less often
    } else if (payload.equals(LEAVING_PING)) {
      this.leaveNow();
    } else this.#keepalive.answered();
  }

  /** Priorities are deprecated, and change nothing. */
  #priority(head: FrameHead, payload: Buffer): void {
    if (head.stream === 0) this.broken(ERROR.protocol, "PRIORITY of no stream");
    else if (payload.byteLength !== 5) this.#streams.misused(head.stream, ERROR.frameSize);
    else if (number31(payload, 0) === head.stream) this.#streams.misused(head.stream, ERROR.protocol);
    this.#countIdleFrame();
  }

  /** A frame that brings nothing. */
  #countIdleFrame(): void {
    if (!this.#idleFrames.take(this.#heardAtMs)) this.broken(ERROR.enhanceYourCalm, "too many frames that bring nothing");
  }

  #closed(): void {
    this.#endedAtMs ??= this.#host.nowMs();
    this.#streams.close();
    this.#host.closed(this);
  }
}
