/**
 * One connection of a client: takes its requests from the bytes, one at a time, and writes their answers. What a client sends behind
 * a request that runs waits unread, but for a look whether it is HTTP at all.
 */
import type { Socket } from "node:net";
import { letGo } from "../../core/bytes/let-go.ts";
import { ServingError } from "../../core/errors.ts";
import type { HttpFault, WholeAnswer } from "../http/route.ts";
import type { Swept } from "../sockets/sweep.ts";
import type { Addressed } from "./addressed.ts";
import type { HeadContext } from "./answer-head.ts";
import { AnswerWriter } from "./answer-writer.ts";
import { type BodyLimits, BodyReader } from "./body-reader.ts";
import { byteFaultAnswer } from "./byte-faults.ts";
import type { ConnectionLimits } from "./connection-limits.ts";
import { Exchange } from "./exchange.ts";
import { HeadReader } from "./head-reader.ts";
import type { HeadFault, RequestHead } from "./request-head.ts";

/** The server, as its connections see it. */
export interface ConnectionHost extends Omit<BodyLimits, "bytesMax"> {
  readonly limits: ConnectionLimits;
  /** Answers are the last on their connections. */
  readonly stopping: boolean;
  nowMs(): number;
  /** A line of its own, for heads. */
  dateLine(): string;
  address(head: RequestHead): Addressed;
  /** @returns whether its body is wanted: `run` follows when that is here. Else it is being answered already. */
  begin(exchange: Exchange, connection: Connection): boolean;
  run(exchange: Exchange, connection: Connection): void;
  refuse(exchange: Exchange, connection: Connection, fault: HttpFault): void;
  closed(connection: Connection): void;
}

const [CARRIAGE_RETURN, LINE_FEED] = [0x0d, 0x0a];
const CONTINUE = "HTTP/1.1 100 Continue\r\n\r\n";
const IDLE_MS_MAX = 75_000;
/** What a client gets to read the last answer, and to stop sending. */
const LINGER_MS_MAX = 2_000;
/** What is read ahead of a request that runs. */
const AHEAD_BYTES_MAX = 64 * 1024;
const NOTHING: Buffer<ArrayBuffer> = Buffer.alloc(0);
const GONE = new ServingError("CANCELLED", "the client closed the connection");

export class Connection implements Swept {
  readonly socket: Socket;
  readonly #host: ConnectionHost;
  readonly #out: AnswerWriter;
  readonly #heads: HeadReader;
  #bytes: Buffer<ArrayBuffer> = NOTHING;
  #current: Exchange | undefined;
  /** Of a body that is not all here, its answer may be. */
  #reader: BodyReader | undefined;
  #reading = false;
  #closing = false;
  #fresh = true;
  /** When the current request began, its answer was written, or the connection opened. */
  #sinceMs: number;
  #heardAtMs: number;
  #isHalfClosed = false;

  constructor(socket: Socket, host: ConnectionHost) {
    this.socket = socket;
    this.#host = host;
    this.#out = new AnswerWriter(socket, () => host.nowMs());
    this.#heads = new HeadReader((head) => host.address(head));
    this.#sinceMs = this.#heardAtMs = host.nowMs();
    socket.on("data", (chunk: Buffer<ArrayBuffer>) => this.#hear(chunk));
    socket.on("end", () => this.#halfClosed());
    socket.on("finish", () => {
      this.#sinceMs = host.nowMs(); // a client that reads slowly lingers from here on
    });
    socket.on("drain", () => this.#drained());
    socket.on("close", () => this.#closed());
    socket.on("error", () => undefined); // a broken connection tells by closing
  }

  /** Nobody reads what would be written. */
  get isGone(): boolean {
    return this.socket.destroyed;
  }

  /** Writes a whole answer; the next request may follow. @throws ServingError for headers that break the head: nothing is written then */
  send(exchange: Exchange, answer: WholeAnswer, extra: HeadContext["extra"]): void {
    if (this.isGone) return;
    const keeps = this.#keepsAlive(exchange);
    this.#out.whole(answer, { bodiless: exchange.head.method === "HEAD", context: this.#context(keeps, extra) });
    this.#over(keeps);
  }

  /** Begins an answer in pieces. @throws ServingError for headers that break the head */
  open({ head: { takesChunks }, head }: Exchange, headers: Readonly<Record<string, string>>, extra: HeadContext["extra"]): void {
    if (this.isGone) return;
    const keeps = takesChunks && head.keepsAlive && !this.#host.stopping && !this.#isHalfClosed;
    this.#out.open(headers, { takesChunks, context: this.#context(keeps, extra) });
    this.#closing = !keeps;
  }

  /** @returns whether more may be written before `onceReady` calls */
  write(piece: string): boolean {
    return this.#out.piece(piece);
  }

  /** Calls when the client has read enough for more to be written, or is gone. */
  onceReady(act: () => void): void {
    this.#out.onceReady(act);
  }

  /** Ends an answer in pieces. */
  end(): void {
    if (this.isGone) return;
    this.#out.end();
    this.#over(!this.#closing);
  }

  cut(): void {
    this.socket.destroy();
  }

  abort(reason: ServingError): void {
    this.#current?.abort(reason);
  }

  /** Closes it, unless something runs on it. */
  stop(): void {
    if (this.#current === undefined) this.socket.destroySoon();
  }

  sweep(nowMs: number): void {
    const { limits } = this.#host;
    if (this.#out.unreadMs(nowMs) > limits.unreadMsMax) this.cut();
    else if (this.#reader !== undefined) {
      if (nowMs - this.#heardAtMs > limits.bodyIdleMsMax || nowMs - this.#sinceMs > limits.requestMsMax) this.cut();
    } else if (this.#current === undefined) this.#sweepIdle(nowMs - this.#sinceMs);
  }

  #sweepIdle(idleMs: number): void {
    if (this.#closing) {
      if (this.socket.writableFinished && idleMs > LINGER_MS_MAX) this.cut();
    } else if (this.#bytes.byteLength > 0 || this.#fresh) {
      if (idleMs > this.#host.limits.headersMsMax) this.#refuseBytes("too-slow");
    } else if (idleMs > IDLE_MS_MAX) this.cut();
  }

  #hear(chunk: Buffer<ArrayBuffer>): void {
    this.#heardAtMs = this.#host.nowMs();
    if (this.#closing && this.#current === undefined) return; // nobody will answer it
    const first = this.#bytes.byteLength === 0;
    if (first && this.#current === undefined) this.#sinceMs = this.#heardAtMs;
    this.#bytes = first ? chunk : Buffer.concat([this.#bytes, chunk]);
    this.#read();
  }

  /** Goes on until the bytes are used up, or a request is being answered. */
  #read(): void {
    if (this.#reading) return;
    this.#reading = true;
    while (this.#bytes.byteLength > 0 && !this.isGone && (this.#reader === undefined ? this.#readHead() : this.#readBody()));
    this.#reading = false;
    if (this.#bytes.byteLength > AHEAD_BYTES_MAX) this.socket.pause();
    else if (this.socket.isPaused()) this.socket.resume();
  }

  /** @returns whether to go on */
  #readHead(): boolean {
    if (this.#closing) {
      this.#bytes = NOTHING; // nobody will answer it
      return false;
    }
    if (this.#bytes[0] === CARRIAGE_RETURN && this.#bytes[1] === LINE_FEED) this.#consume(2); // some clients end bodies so: RFC 9112, section 2.2
    const addressed = this.#heads.read(this.#bytes);
    if (typeof addressed === "string") {
      if (this.#current === undefined) this.#refuseBytes(addressed);
      else this.cut(); // nothing can be said: another answer is on its way
      return false;
    }
    if (this.#current !== undefined || this.socket.writableNeedDrain || addressed === undefined) return false;
    this.#begin(addressed);
    return true;
  }

  #begin(addressed: Addressed): void {
    this.#fresh = false;
    const exchange = new Exchange(this.#host, this.socket, addressed, this.#heardAtMs);
    this.#current = exchange;
    const { byteLength, bodyBytes } = addressed.head;
    const isWhole = bodyBytes !== undefined && byteLength + bodyBytes <= this.#bytes.byteLength;
    if (isWhole && bodyBytes <= this.#host.limits.bodyBytesMax) this.#beginWhole(exchange, bodyBytes);
    else this.#beginReading(exchange);
  }

  /** The body came with its head: it stays where it is. */
  #beginWhole(exchange: Exchange, bodyBytes: number): void {
    const bytes = this.#bytes;
    const headBytes = exchange.head.byteLength;
    this.#consume(headBytes + bodyBytes);
    if (!this.#host.begin(exchange, this)) return;
    if (bodyBytes > 0) exchange.body = { byteLength: bodyBytes, segments: [plain(bytes, headBytes, bodyBytes)] };
    this.#host.run(exchange, this);
  }

  #beginReading(exchange: Exchange): void {
    const { limits, budget, memory } = this.#host;
    const { byteLength, bodyBytes, expectsContinue } = exchange.head;
    this.#consume(byteLength);
    const reader = new BodyReader(bodyBytes, { bytesMax: limits.bodyBytesMax, budget, memory });
    this.#reader = reader;
    if (!this.#host.begin(exchange, this)) reader.drop();
    else if (reader.fault !== undefined) this.#host.refuse(exchange, this, reader.fault);
    else if (expectsContinue && this.#bytes.byteLength === 0) this.socket.write(CONTINUE);
  }

  #readBody(): boolean {
    const [reader, exchange] = [this.#reader, this.#current];
    if (reader === undefined) return false;
    const [before, bytes] = [reader.fault, this.#bytes];
    this.#consume(reader.push(bytes));
    letGo(bytes); // what is wanted of it is copied
    const state = reader.state();
    if (state.kind === "broken") {
      this.cut();
      return false;
    }
    if (reader.fault !== before && reader.fault !== undefined && exchange !== undefined) this.#host.refuse(exchange, this, reader.fault);
    if (state.kind === "partial") return false;
    this.#reader = undefined;
    if (state.kind === "whole" && exchange !== undefined) {
      exchange.body = state.body;
      this.#host.run(exchange, this);
    }
    return true;
  }

  /** What is left is copied: who has the bytes before it may give their memory away. */
  #consume(bytes: number): void {
    this.#bytes = bytes === this.#bytes.byteLength ? NOTHING : Buffer.from(this.#bytes.subarray(bytes));
  }

  #keepsAlive({ head }: Exchange): boolean {
    if (!head.keepsAlive || this.#host.stopping || this.#isHalfClosed) return false;
    return this.#reader === undefined || !head.expectsContinue; // a client that waits for our word may never send its body
  }

  #context(keeps: boolean, extra: HeadContext["extra"]): HeadContext {
    return { date: this.#host.dateLine(), keepAliveSeconds: keeps ? IDLE_MS_MAX / 1_000 : undefined, extra };
  }

  /** The answer is written. */
  #over(keeps: boolean): void {
    this.#current = undefined;
    this.#closing = !keeps;
    this.#sinceMs = this.#host.nowMs();
    if (keeps) this.#read();
    else this.#close();
    if (this.#host.stopping) this.stop();
  }

  /** Ends our half, and gives the client time to read and to stop sending: closing at once could take its last answer away (RST). */
  #close(): void {
    this.#closing = true;
    this.#reader?.drop();
    this.#reader = undefined;
    if (this.#host.stopping || this.#isHalfClosed) this.socket.destroySoon();
    else this.socket.end();
  }

  /** Bytes that are no HTTP, or come too slowly. */
  #refuseBytes(fault: HeadFault | "too-slow"): void {
    this.socket.write(byteFaultAnswer(fault));
    this.#sinceMs = this.#host.nowMs();
    this.#close();
  }

  #drained(): void {
    this.#out.drained();
    this.#read();
  }

  /** A client that closes its half has gone: nobody reads an answer without having sent one. */
  #halfClosed(): void {
    this.#isHalfClosed = true;
    if (this.#reader !== undefined) this.cut();
    else if (this.#current === undefined) this.socket.destroySoon();
    else this.#current.abort(GONE);
  }

  #closed(): void {
    this.#current?.abort(GONE);
    this.#reader?.drop();
    this.#out.drained();
    this.#host.closed(this);
  }
}

/** No Buffer: its `slice` copies nothing, and who takes the bytes must not have to know. */
const plain = ({ buffer, byteOffset }: Buffer<ArrayBuffer>, at: number, count: number) => new Uint8Array(buffer, byteOffset + at, count);
