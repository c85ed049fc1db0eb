/**
 * What a connection sends: the frames of a tick leave in one write. Data wait where a window or the socket is short; streams then
 * take turns, a frame each.
 */
import type { Socket } from "node:net";
import type { Memory } from "../../core/bytes/lent-memory.ts";
import { FrameWriter } from "./frame-writer.ts";
import { type HeaderBlock, NO_TABLE } from "./hpack/encoder.ts";
import type { Sending } from "./sending.ts";
import { type ErrorNumber, FLAG, FRAME, FRAME_BYTES, WINDOW, WINDOW_MAX } from "./wire-format.ts";

/** Up to this size an answer leaves in the tick in which it is written, if nothing is in its way. */
const AT_ONCE_BYTES_MAX = 16 * 1024;
/** What is given to the socket before it has to say that it has sent that. */
const IN_SOCKET_BYTES = 256 * 1024;
/** Where a client reads nothing of so much, nothing is read from it either. */
const UNREAD_BYTES_MAX = 1024 * 1024;

const NOTHING = new Uint8Array();

export interface OutboxHost {
  nowMs(): number;
  /** Headers or data are on their way. */
  answering(): void;
}

export class Outbox {
  readonly #socket: Socket;
  readonly #host: OutboxHost;
  readonly #writer = new FrameWriter();
  /** Streams with something that their windows allow, in the order of their turns. */
  readonly #ready = new Set<Sending>();
  #window = WINDOW;
  #frameBytesMax = FRAME_BYTES;
  #isFirstBlock = true;
  #scheduled = false;
  /** Of data that are written, and leave with the next flush. */
  #leaving: Memory[] = [];
  /** The socket has not sent what it was given since then. */
  #unreadSinceMs: number | undefined;

  constructor(socket: Socket, host: OutboxHost) {
    this.#socket = socket;
    this.#host = host;
  }

  set frameBytesMax(bytes: number) {
    this.#frameBytesMax = bytes;
  }

  settings(entries: readonly (readonly [setting: number, value: number])[]): void {
    this.#control(FRAME.settings, { length: 6 * entries.length });
    for (const [setting, value] of entries) {
      this.#writer.byte(setting >>> 8);
      this.#writer.byte(setting);
      this.#writer.uint32(value);
    }
  }

  settingsAck(): void {
    this.#control(FRAME.settings, { length: 0, flags: FLAG.ack });
  }

  ping(payload: Uint8Array, { isAnswer }: { readonly isAnswer: boolean }): void {
    this.#control(FRAME.ping, { length: payload.byteLength, flags: isAnswer ? FLAG.ack : 0 });
    this.#writer.bytes(payload);
  }

  goAway(lastStream: number, error: ErrorNumber, why: string): void {
    const text = Buffer.from(why);
    this.#control(FRAME.goAway, { length: 8 + text.byteLength });
    this.#writer.uint32(lastStream);
    this.#writer.uint32(error);
    this.#writer.bytes(text);
  }

  reset(stream: number, error: ErrorNumber): void {
    this.#control(FRAME.reset, { length: 4, stream });
    this.#writer.uint32(error);
  }

  /** @param stream 0: of the connection */
  windowUpdate(stream: number, bytes: number): void {
    this.#control(FRAME.windowUpdate, { length: 4, stream });
    this.#writer.uint32(bytes);
  }

  headers(stream: number, block: HeaderBlock, { ends }: { readonly ends: boolean }): void {
    const flags = FLAG.endHeaders | (ends ? FLAG.endStream : 0);
    this.#control(FRAME.headers, { length: block.byteLength + (this.#isFirstBlock ? 1 : 0), flags, stream });
    if (this.#isFirstBlock) this.#writer.byte(NO_TABLE);
    this.#isFirstBlock = false;
    this.#writer.bytes(block);
    this.#host.answering();
  }

  /** Data behind what the stream has written before; trailers end it. */
  data(sending: Sending, pieces: readonly Uint8Array[], trailers?: HeaderBlock): void {
    sending.trailers = trailers;
    if (!this.#leavesAtOnce(sending, pieces)) {
      sending.add(pieces);
      if (sending.byteLength === 0) this.#end(sending);
      else this.#await(sending);
      return;
    }
    let bytes = 0;
    for (const piece of pieces) bytes += piece.byteLength;
    if (bytes > 0) {
      this.#dataHead(sending, bytes);
      sending.spend(bytes);
      for (const piece of pieces) this.#writer.bytes(piece);
    }
    this.#end(sending);
  }

  /** @returns false where the window would be larger than windows can be */
  widen(bytes: number): boolean {
    this.#window += bytes;
    if (this.#ready.size > 0) this.#schedule();
    return this.#window <= WINDOW_MAX;
  }

  /** Of one stream. @returns as `widen` */
  widenStream(sending: Sending, bytes: number): boolean {
    const fits = sending.widen(bytes);
    if (fits && sending.byteLength > 0) this.#await(sending);
    return fits;
  }

  /** Nobody takes what the stream has to send. */
  forget(sending: Sending): void {
    sending.drop();
    this.#ready.delete(sending);
  }

  /** To be called when the socket has sent all that it had. */
  drained(): void {
    this.#unreadSinceMs = undefined;
    if (this.#socket.isPaused()) this.#socket.resume();
    if (this.#ready.size > 0) this.flush();
  }

  /** How long the client has let lie what was written. */
  unreadMs(nowMs: number): number {
    return this.#unreadSinceMs === undefined ? 0 : nowMs - this.#unreadSinceMs;
  }

  /** The last that is said. */
  end(): void {
    this.flush();
    this.#socket.end();
  }

  #leavesAtOnce(sending: Sending, pieces: readonly Uint8Array[]): boolean {
    if (this.#unreadSinceMs !== undefined || this.#ready.size > 0 || sending.byteLength > 0) return false;
    let bytes = 0;
    for (const { byteLength } of pieces) bytes += byteLength;
    return bytes <= AT_ONCE_BYTES_MAX && bytes <= this.#window && bytes <= Math.max(0, sending.window);
  }

  #dataHead(sending: Sending, length: number): void {
    this.#window -= length;
    this.#control(FRAME.data, { length, stream: sending.stream });
    this.#host.answering();
  }

  /** Writes the stream's end, where all that comes before it is written. */
  #end(sending: Sending): void {
    if (sending.trailers === undefined || sending.byteLength > 0) return;
    this.headers(sending.stream, sending.trailers, { ends: true });
    if (sending.memory !== undefined) this.#leaving.push(sending.memory);
    sending.memory = undefined;
    sending.sender.sent();
  }

  #await(sending: Sending): void {
    if (sending.window <= 0) return;
    this.#ready.add(sending);
    this.#schedule();
  }

  /** A round of turns after the other, until a window, the socket or the work ends. */
  #takeTurns(): void {
    for (const sending of this.#ready) {
      if (this.#window <= 0 || this.#writer.byteLength > IN_SOCKET_BYTES) return;
      this.#ready.delete(sending);
      const wasFull = sending.full;
      const bytes = Math.min(sending.byteLength, sending.window, this.#window, this.#frameBytesMax);
      if (bytes > 0) {
        this.#dataHead(sending, bytes);
        sending.writeTo(this.#writer, bytes);
      }
      if (sending.byteLength === 0) this.#end(sending);
      else if (sending.window > 0) this.#ready.add(sending);
      if (wasFull && !sending.full) sending.sender.drained();
    }
  }

  #control(
    type: number,
    { length, flags = 0, stream = 0 }: { readonly length: number; readonly flags?: number; readonly stream?: number },
  ) {
    this.#writer.head(stream, { type, flags, length });
    this.#schedule();
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    process.nextTick(flush, this);
  }

  flush(): void {
    const socket = this.#socket;
    this.#scheduled = true; // what is written meanwhile leaves with the rest
    if (this.#unreadSinceMs === undefined) this.#takeTurns();
    const pieces = this.#writer.take();
    this.#scheduled = false;
    const leaving = this.#leaving;
    const [first] = pieces;
    if (first === undefined || !socket.writable) return;
    if (leaving.length > 0) this.#leaving = [];
    if (pieces.length === 1 && leaving.length === 0) socket.write(first);
    else {
      socket.cork();
      for (const piece of pieces) socket.write(piece);
      if (leaving.length > 0) socket.write(NOTHING, (error) => error ?? releaseAll(leaving));
      socket.uncork();
    }
    if (socket.writableNeedDrain) this.#unreadSinceMs ??= this.#host.nowMs();
    if (socket.writableLength > UNREAD_BYTES_MAX) socket.pause();
  }
}

function releaseAll(memories: readonly Memory[]): void {
  for (const memory of memories) memory.release();
}

function flush(outbox: Outbox): void {
  outbox.flush();
}
