/** One call on its stream: what its handler knows of it, how its answer is written, and how it ends. */
import type { Memory } from "../../core/bytes/lent-memory.ts";
import { type ErrorCode, ServingError } from "../../core/errors.ts";
import type { Caller } from "../access/guard.ts";
import { isLoopbackHost } from "../access/host-check.ts";
import { type HeaderBlock, headerBlock } from "../http2/hpack/encoder.ts";
import type { ServerStream } from "../http2/server-stream.ts";
import type { KeyBudget } from "../quotas/budgets.ts";
import type { RouteExplanation } from "../routing/route-explanation.ts";
import { ACCEPTED_ENCODINGS, type CompressionLevel, compressed, type Encoding } from "./compression.ts";
import type { GrpcLimits } from "./limits.ts";
import type { GrpcCall, Message } from "./method.ts";
import type { RequestBudget } from "./request-budget.ts";
import { OK_TRAILERS, statusTrailers } from "./status.ts";

const PREFIX_BYTES = 5;

const HEAD = { ":status": "200", "content-type": "application/grpc" };
const REFUSAL_HEAD = { ...HEAD, "grpc-accept-encoding": ACCEPTED_ENCODINGS };
const HEADS: Readonly<Record<Encoding, HeaderBlock>> = {
  identity: headerBlock(HEAD),
  gzip: headerBlock({ ...HEAD, "grpc-encoding": "gzip" }),
  deflate: headerBlock({ ...HEAD, "grpc-encoding": "deflate" }),
};
const OK = headerBlock(OK_TRAILERS);

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
  readonly caller: Caller;
  readonly explanation?: RouteExplanation | undefined;
  readonly deadlineMs: number | undefined;
  readonly responseEncoding: Encoding;
}

/** What runs a call's handler. */
export interface CallRun {
  /** The call has ended: nothing is to be waited for. */
  stopped(): void;
}

export class RunningCall implements GrpcCall {
  readonly stream: ServerStream;
  readonly tenant: string;
  readonly key: string | undefined;
  readonly budget: KeyBudget | undefined;
  readonly explanation: RouteExplanation | undefined;
  readonly deadlineMs: number | undefined;
  run: CallRun | undefined;
  readonly #options: CallOptions;
  /** Made when somebody asks for it: it is the most expensive part of a call. */
  #controller: AbortController | undefined;
  #reason: ServingError | undefined;
  #ended = false;
  #outcome: "ok" | ErrorCode = "ok";
  #subject = "";
  /** Of the answer's bytes. */
  #memory: Memory | undefined;
  /** Of who waits for the client to read. */
  #goOn: (() => void) | undefined;
  /** Whether the client owes a part of its request, and sweeps since it last sent one. */
  #awaitsRequest = false;
  #idleSweeps = 0;

  constructor(stream: ServerStream, options: CallOptions) {
    this.stream = stream;
    this.tenant = options.caller.tenant;
    this.key = options.caller.key;
    this.budget = options.caller.budget;
    this.explanation = options.explanation;
    this.deadlineMs = options.deadlineMs;
    this.#options = options;
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
    return isLoopbackHost(this.stream.remoteAddress);
  }

  header(name: string): string | undefined {
    return this.stream.headers.fields.get(name);
  }

  /** What it is about; empty: nobody has said. */
  get subject(): string {
    return this.#subject;
  }

  lend(memory: Memory): void {
    this.#memory = memory;
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
    return [...this.stream.headers.fields];
  }

  /** Writes the whole answer of a unary call. @returns a promise where the client has to read first. */
  answer(message: Message): Promise<void> | undefined {
    if (this.#ended) return undefined;
    const { responseEncoding } = this.#options;
    return responseEncoding === "identity" ? this.#answer(message, false) : this.#answerCompressed(message);
  }

  /** Writes one of several messages. @returns a promise while the client has to catch up: until it has read, or is gone. */
  write(message: Message): Promise<void> | undefined {
    if (this.#ended) return undefined;
    const { responseEncoding } = this.#options;
    this.stream.respond(HEADS[responseEncoding]);
    return responseEncoding === "identity" ? this.#write(message, false) : this.#writeCompressed(message);
  }

  /** Ends the answer with OK. */
  finish(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.stream.respond(HEADS[this.#options.responseEncoding]);
    this.stream.end(OK);
  }

  /** Ends the call with what went wrong. Only the first end counts. */
  fail(error: ServingError): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#outcome = error.code;
    this.#awaitsRequest = false;
    this.#options.host.failed(error, this.stream.headers.path);
    const trailers = { ...statusTrailers(error), ...this.explanation?.headers() };
    if (this.stream.headersSent)
      this.stream.end(headerBlock(trailers)); // they follow what is still to be sent
    else this.stream.answerWithoutBody(headerBlock({ ...REFUSAL_HEAD, ...trailers }));
    this.drained();
  }

  /** Stops the handler and ends the call with the reason. */
  stop(reason: ServingError): void {
    this.#abort(reason);
    this.fail(reason);
    this.run?.stopped();
  }

  /** To be called when the stream has ended before the call. */
  gone(why: "canceled" | "unread"): void {
    if (!this.#ended) this.#outcome = "CANCELLED";
    this.#ended = true;
    const { unreadMsMax } = this.#options.host.limits;
    const what = why === "canceled" ? "canceled the call" : `read nothing of the answer for ${unreadMsMax} ms`;
    this.#abort(new ServingError("CANCELLED", `the client ${what}`));
    this.drained();
    this.run?.stopped();
  }

  /** To be called when the client has read. */
  drained(): void {
    this.#goOn?.();
    this.#goOn = undefined;
  }

  /** The client has to send on (`true`), or owes nothing any more. */
  awaitRequest(waits: boolean): void {
    this.#awaitsRequest = waits;
    this.#idleSweeps = 0;
  }

  /** To be called every `sweepMs`. */
  sweep(): void {
    const { sweepMs, requestIdleMsMax } = this.#options.host.limits;
    if (!this.#awaitsRequest || ++this.#idleSweeps * sweepMs <= requestIdleMsMax) return;
    this.stop(new ServingError("CANCELLED", `the client sent nothing of its request for ${requestIdleMsMax} ms`));
  }

  #abort(reason: ServingError): void {
    this.#reason ??= reason;
    this.#controller?.abort(this.#reason);
  }

  #answer(message: Message, isCompressed: boolean): Promise<void> | undefined {
    this.stream.answer(HEADS[this.#options.responseEncoding], framed(message, isCompressed), this.#trailers(), this.#memory);
    const caughtUp = this.#caughtUp();
    if (caughtUp === undefined) this.#ended = true;
    return caughtUp?.then(() => {
      this.#ended = true;
    });
  }

  #trailers(): HeaderBlock {
    return this.explanation === undefined ? OK : headerBlock({ ...OK_TRAILERS, ...this.explanation.headers() });
  }

  async #answerCompressed(message: Message): Promise<void> {
    const smaller = await this.#compressed(message);
    if (!this.#ended) await this.#answer(smaller ?? message, smaller !== undefined);
  }

  #write(message: Message, isCompressed: boolean): Promise<void> | undefined {
    this.stream.write(framed(message, isCompressed));
    return this.#caughtUp();
  }

  async #writeCompressed(message: Message): Promise<void> {
    const smaller = await this.#compressed(message);
    if (!this.#ended) await this.#write(smaller ?? message, smaller !== undefined);
  }

  /** undefined: it stays as it is. */
  async #compressed(message: Message): Promise<Message | undefined> {
    const { responseEncoding, host } = this.#options;
    const smaller = await compressed(message, responseEncoding, host.compressionLevel);
    return smaller && [smaller];
  }

  /** Resolves too when the call ends: the writer finds out by itself. */
  #caughtUp(): Promise<void> | undefined {
    if (!this.stream.isFull) return undefined;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#goOn = resolve;
    return promise;
  }
}

/** The message behind its prefix. */
function framed(message: Message, isCompressed: boolean): Message {
  let byteLength = 0;
  for (const piece of message) byteLength += piece.byteLength;
  const prefix = Buffer.allocUnsafe(PREFIX_BYTES);
  prefix[0] = isCompressed ? 1 : 0;
  prefix.writeUInt32BE(byteLength, 1);
  return [prefix, ...message];
}
