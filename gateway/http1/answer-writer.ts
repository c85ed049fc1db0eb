/** Writes answers to a connection's socket: each in as few writes as can be, and knows how long the client has not read. */
import type { Socket } from "node:net";
import type { Memory } from "../../core/bytes/lent-memory.ts";
import type { WholeAnswer } from "../http/route.ts";
import { answerHead, type HeadContext } from "./answer-head.ts";

/** Up to this size a body is copied behind its head: cheaper than another piece to write. */
const JOINED_BYTES_MAX = 16 * 1024;
const NOTHING = new Uint8Array();

export class AnswerWriter {
  readonly #socket: Socket;
  readonly #nowMs: () => number;
  #inChunks = false;
  #unreadSinceMs: number | undefined;
  #whenReady: (() => void) | undefined;

  constructor(socket: Socket, nowMs: () => number) {
    this.#socket = socket;
    this.#nowMs = nowMs;
  }

  /** @throws ServingError for headers that break the head: nothing is written then */
  whole(
    { status, headers, body, memory }: WholeAnswer,
    { bodiless, context }: { readonly bodiless: boolean; readonly context: HeadContext },
  ): void {
    if (typeof body === "string") {
      const bytes = Buffer.byteLength(body);
      const head = answerHead(status, headers, bytes, context);
      if (bodiless) this.#write(head, "latin1");
      else this.#write(head + body, bytes === body.length ? "latin1" : "utf8");
      return;
    }
    const pieces = body instanceof Uint8Array ? [body] : body;
    const bytes = pieces.reduce((sum, { byteLength }) => sum + byteLength, 0);
    const head = answerHead(status, headers, bytes, context);
    if (bodiless) this.#write(head, "latin1");
    else if (bytes <= JOINED_BYTES_MAX) this.#write(joined(head, pieces, bytes));
    else this.#writeAll(head, pieces, memory);
  }

  /** The head of an answer in pieces. @throws ServingError for headers that break the head */
  open(
    headers: Readonly<Record<string, string>>,
    { takesChunks, context }: { readonly takesChunks: boolean; readonly context: HeadContext },
  ): void {
    this.#inChunks = takesChunks;
    this.#write(answerHead(200, headers, takesChunks ? "chunked" : "until-close", context), "latin1");
  }

  /** @returns whether more may be written before `onceReady` calls */
  piece(text: string): boolean {
    if (text === "") return true; // an empty chunk would end the answer
    if (this.#socket.writableCorked === 0) {
      this.#socket.cork(); // pieces of one tick leave in one write
      process.nextTick(uncork, this.#socket);
    }
    return this.#write(this.#inChunks ? `${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n` : text, "utf8");
  }

  end(): void {
    if (this.#inChunks) this.#write("0\r\n\r\n", "latin1");
  }

  /** Calls when the client has read enough for more to be written, or is gone. */
  onceReady(act: () => void): void {
    this.#whenReady = act;
  }

  /** To be called when the socket has drained or closed. */
  drained(): void {
    this.#unreadSinceMs = undefined;
    const act = this.#whenReady;
    this.#whenReady = undefined;
    act?.();
  }

  /** How long the client has let lie what was written. */
  unreadMs(nowMs: number): number {
    return this.#unreadSinceMs === undefined ? 0 : nowMs - this.#unreadSinceMs;
  }

  #write(bytes: string | Uint8Array, encoding?: "latin1" | "utf8"): boolean {
    const ready = typeof bytes === "string" ? this.#socket.write(bytes, encoding) : this.#socket.write(bytes);
    if (!ready) this.#unreadSinceMs ??= this.#nowMs();
    return ready;
  }

  /** In one system call, and without a copy. */
  #writeAll(head: string, pieces: readonly Uint8Array[], memory: Memory | undefined): void {
    this.#socket.cork();
    this.#write(head, "latin1");
    for (const piece of pieces) this.#write(piece);
    if (memory !== undefined) this.#socket.write(NOTHING, (error) => error ?? memory.release());
    this.#socket.uncork();
  }
}

function joined(head: string, pieces: readonly Uint8Array[], bytes: number): Buffer {
  const whole = Buffer.allocUnsafe(head.length + bytes);
  let at = whole.write(head, "latin1");
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.byteLength;
  }
  return whole;
}

function uncork(socket: Socket): void {
  socket.uncork();
}
