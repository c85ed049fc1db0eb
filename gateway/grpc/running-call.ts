/** One call on its stream: what its handler knows of it, how its answer is written, and how it ends. */
import type { IncomingHttpHeaders, ServerHttp2Stream } from "node:http2";
import { constants } from "node:http2";
import { type ErrorCode, ServingError } from "../../core/errors.ts";
import type { Caller } from "../access/guard.ts";
import { isLoopbackHost } from "../http/host-check.ts";
import type { KeyBudget } from "../quotas/budgets.ts";
import { ACCEPTED_ENCODINGS, type CompressionLevel, compressed, type Encoding } from "./compression.ts";
import type { Connection } from "./connection.ts";
import type { GrpcLimits } from "./limits.ts";
import type { GrpcCall, Message } from "./method.ts";
import type { RequestBudget } from "./request-budget.ts";
import { OK_TRAILERS, type StatusTrailers, statusTrailers } from "./status.ts";

const PREFIX_BYTES = 5;
/** Up to this size a message is joined with its prefix into one piece: copying is cheaper than another write. */
const JOINED_BYTES_MAX = 32 * 1024;
/** Longer pieces are written in parts, so that a slow reader can be told from one that has stopped. */
const PART_BYTES = 256 * 1024;

const HEAD = { ":status": 200, "content-type": "application/grpc" };
const REFUSAL_HEAD = { ...HEAD, "grpc-accept-encoding": ACCEPTED_ENCODINGS };
const WITHOUT_BODY = { endStream: true, sendDate: false };
const WITH_TRAILERS = { waitForTrailers: true, sendDate: false };

/** What all calls of a server share. */
export interface CallHost {
  readonly limits: GrpcLimits;
  readonly compressionLevel: CompressionLevel;
  /** What requests may hold together. */
  readonly budget: RequestBudget;
  /** Told of every call that fails, once. `path` as the client wrote it. */
  failed(error: ServingError, path: string): void;
}

export interface CallOptions {
  readonly host: CallHost;
  readonly connection: Pick<Connection, "sent">;
  readonly caller: Caller;
  readonly deadlineMs: number | undefined;
  readonly responseEncoding: Encoding;
}

export class RunningCall implements GrpcCall {
  readonly stream: ServerHttp2Stream;
  readonly tenant: string;
  readonly key: string | undefined;
  readonly budget: KeyBudget | undefined;
  readonly deadlineMs: number | undefined;
  /** Called when the client has reset the stream. */
  onGone: (() => void) | undefined;
  readonly #headers: IncomingHttpHeaders;
  readonly #options: CallOptions;
  /** Made when somebody asks for it: it is the most expensive part of a call. */
  #controller: AbortController | undefined;
  #reason: ServingError | undefined;
  #trailers: StatusTrailers = OK_TRAILERS;
  #ended = false;
  #outcome: "ok" | ErrorCode = "ok";
  #subject = "";
  /** What the call waits for the client to do, and sweeps since it last did. */
  #waitsFor: "request" | "reader" | undefined;
  #idleSweeps = 0;

  constructor(stream: ServerHttp2Stream, headers: IncomingHttpHeaders, options: CallOptions) {
    this.stream = stream;
    this.tenant = options.caller.tenant;
    this.key = options.caller.key;
    this.budget = options.caller.budget;
    this.deadlineMs = options.deadlineMs;
    this.#headers = headers;
    this.#options = options;
    stream.on("aborted", () => {
      if (!this.#ended) this.#outcome = "CANCELLED";
      this.#ended = true;
      this.#abort(new ServingError("CANCELLED", "the client canceled the call"));
      this.onGone?.();
    });
  }

  get signal(): AbortSignal {
    this.#controller ??= new AbortController();
    if (this.#reason !== undefined) this.#controller.abort(this.#reason);
    return this.#controller.signal;
  }

  /** Why the call was stopped; undefined: it was not. */
  get reason(): ServingError | undefined {
    return this.#reason;
  }

  /** What became of it, once it has ended. */
  get outcome(): "ok" | ErrorCode {
    return this.#outcome;
  }

  /** The status is written, or nobody is there to read it. */
  get ended(): boolean {
    return this.#ended;
  }

  get fromLoopback(): boolean {
    return isLoopbackHost(this.stream.session?.socket.remoteAddress ?? "");
  }

  header(name: string): string | undefined {
    const value = this.#headers[name];
    return Array.isArray(value) ? value.join(", ") : value;
  }

  /** What it is about; empty: nobody has said. */
  get subject(): string {
    return this.#subject;
  }

  concerns(subject: string): void {
    this.#subject = subject;
  }

  retain(byteLength: number): Disposable {
    const { budget } = this.#options.host;
    budget.take(byteLength);
    return { [Symbol.dispose]: () => budget.giveBack(byteLength) };
  }

  headers(): readonly (readonly [name: string, value: string])[] {
    return Object.keys(this.#headers)
      .filter((name) => !name.startsWith(":"))
      .map((name) => [name, this.header(name) ?? ""] as const);
  }

  /** Writes the whole answer of a unary call. @returns a promise where the client has to read first. */
  answer(message: Message): Promise<void> | undefined {
    if (this.#ended) return undefined;
    const joined = this.#options.responseEncoding === "identity" ? joinedFrame(message) : undefined;
    if (joined === undefined) return this.#answerInParts(message);
    this.#ended = true;
    this.#respond();
    this.stream.end(joined);
    return undefined;
  }

  /** Writes one of several messages. @returns a promise while the client has to catch up: until it has read, or is gone. */
  write(message: Message): Promise<void> | undefined {
    if (this.#ended) return undefined;
    if (!this.stream.headersSent) this.#respond();
    const joined = this.#options.responseEncoding === "identity" ? joinedFrame(message) : undefined;
    if (joined === undefined) return this.#writeInParts(message);
    this.#options.connection.sent();
    return this.stream.write(joined) ? undefined : this.#drained();
  }

  /** Ends the answer with OK. */
  finish(): void {
    if (this.#ended) return;
    this.#ended = true;
    if (!this.stream.headersSent) this.#respond();
    this.stream.end();
  }

  /** Ends the call with what went wrong. Only the first end counts. */
  fail(error: ServingError): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#outcome = error.code;
    this.#waitsFor = undefined;
    const { stream } = this;
    this.#options.host.failed(error, this.header(":path") ?? "");
    if (stream.destroyed || stream.closed) return;
    this.#options.connection.sent();
    if (stream.headersSent) {
      this.#trailers = statusTrailers(error);
      stream.end(); // the trailers follow what is still to be sent
    } else {
      stream.respond({ ...REFUSAL_HEAD, ...statusTrailers(error) }, WITHOUT_BODY);
      this.#dropRequest();
    }
  }

  /** Stops the handler and ends the call with the reason. */
  stop(reason: ServingError): void {
    this.#abort(reason);
    this.fail(reason);
  }

  /** The client has to send on (`true`), or owes nothing any more. */
  awaitRequest(waits: boolean): void {
    this.#waitsFor = waits ? "request" : undefined;
    this.#idleSweeps = 0;
  }

  /** To be called every `sweepMs`. */
  sweep(): void {
    if (this.#waitsFor === undefined) return;
    const { sweepMs, requestIdleMsMax, unreadMsMax } = this.#options.host.limits;
    const isRequest = this.#waitsFor === "request";
    const limitMs = isRequest ? requestIdleMsMax : unreadMsMax;
    if (++this.#idleSweeps * sweepMs <= limitMs) return;
    const what = isRequest ? "sent nothing of its request" : "read nothing of the answer";
    const reason = new ServingError("CANCELLED", `the client ${what} for ${limitMs} ms`);
    if (isRequest) this.stop(reason);
    else this.#cut(reason);
  }

  /** Ends the call where a status would not be read. */
  #cut(reason: ServingError): void {
    this.#ended = true;
    this.#outcome = reason.code;
    this.#abort(reason);
    this.stream.close(constants.NGHTTP2_CANCEL);
  }

  #abort(reason: ServingError): void {
    this.#reason ??= reason;
    this.#controller?.abort(this.#reason);
  }

  #respond(): void {
    const { responseEncoding: encoding, connection } = this.#options;
    connection.sent();
    this.stream.respond(encoding === "identity" ? HEAD : { ...HEAD, "grpc-encoding": encoding }, WITH_TRAILERS);
    this.stream.on("wantTrailers", () => {
      this.stream.sendTrailers(this.#trailers);
      if (!this.stream.readableEnded) setImmediate(() => this.#dropRequest()); // Node sends trailers in an immediate, too
    });
  }

  /** What is left of the request is of no use (RFC 9113, 8.1). */
  #dropRequest(): void {
    const { stream } = this;
    if (!stream.readableEnded && !stream.closed) stream.close(constants.NGHTTP2_NO_ERROR);
  }

  async #answerInParts(message: Message): Promise<void> {
    if (!this.stream.headersSent) this.#respond();
    await this.#writeInParts(message);
    this.finish();
  }

  async #writeInParts(message: Message): Promise<void> {
    const { responseEncoding, host, connection } = this.#options;
    const smaller = await compressed(message, responseEncoding, host.compressionLevel);
    const pieces = smaller === undefined ? message : [smaller];
    if (this.#ended) return;
    const prefix = Buffer.allocUnsafe(PREFIX_BYTES);
    writePrefix(prefix, byteLengthOf(pieces), smaller !== undefined);
    this.stream.write(prefix);
    for (const piece of pieces) {
      for (let start = 0; start < piece.byteLength; start += PART_BYTES) {
        connection.sent();
        const goesOn = this.stream.write(piece.subarray(start, start + PART_BYTES));
        if (!goesOn) await this.#drained();
        if (this.#ended || this.stream.destroyed) return;
      }
    }
  }

  /** Resolves too when the stream closes: the writer finds out by itself. */
  #drained(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#waitsFor = "reader";
    this.#idleSweeps = 0;
    const goOn = () => {
      this.#waitsFor = undefined;
      this.stream.off("drain", goOn);
      this.stream.off("close", goOn);
      resolve();
    };
    this.stream.once("drain", goOn);
    this.stream.once("close", goOn);
    return promise;
  }
}

function byteLengthOf(message: Message): number {
  let sum = 0;
  for (const { byteLength } of message) sum += byteLength;
  return sum;
}

function writePrefix(into: Buffer, byteLength: number, isCompressed: boolean): void {
  into[0] = isCompressed ? 1 : 0;
  into.writeUInt32BE(byteLength, 1);
}

/** The message with its prefix; undefined when it is too long to be copied. */
function joinedFrame(message: Message): Buffer | undefined {
  const byteLength = byteLengthOf(message);
  if (byteLength > JOINED_BYTES_MAX) return undefined;
  const frame = Buffer.allocUnsafe(PREFIX_BYTES + byteLength);
  writePrefix(frame, byteLength, false);
  let offset = PREFIX_BYTES;
  for (const piece of message) {
    frame.set(piece, offset);
    offset += piece.byteLength;
  }
  return frame;
}
