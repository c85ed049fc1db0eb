/** The calls of a server: checks what HTTP/2 and gRPC ask of a request, finds its method, and knows what runs. */
import type { IncomingHttpHeaders, ServerHttp2Stream } from "node:http2";
import type { Clock } from "../../core/clock.ts";
import { ServingError } from "../../core/errors.ts";
import { type Asked, type Caller, type Guard, PUBLIC } from "../access/guard.ts";
import { isLoopbackHost } from "../http/host-check.ts";
import type { Answered } from "./answered-calls.ts";
import { type CompressionLevel, type Encoding, requestEncoding, responseEncoding } from "./compression.ts";
import type { Connection } from "./connection.ts";
import type { GrpcLimits } from "./limits.ts";
import type { GrpcMethod } from "./method.ts";
import { RequestBudget } from "./request-budget.ts";
import { type ReadingLimits, RequestMessages } from "./request-messages.ts";
import { type CallHost, RunningCall } from "./running-call.ts";
import { runStreaming } from "./streaming.ts";
import { parseTimeout } from "./timeout.ts";
import { Turns } from "./turns.ts";
import { runUnary } from "./unary.ts";

export interface CallsOptions {
  readonly clock: Clock;
  readonly methods: readonly GrpcMethod[];
  readonly limits: GrpcLimits;
  readonly compressionLevel: CompressionLevel;
  readonly guard: Guard;
  readonly report: (error: ServingError, path: string) => void;
  /** undefined: nobody is told. */
  readonly answered?: Answered | undefined;
}

const INFLATING_AT_ONCE = 4;
/** Failures by our fault: what a client did wrong is told to the client alone. */
const REPORTED: readonly string[] = ["INTERNAL", "UNKNOWN", "DATA_LOSS"];

/** For whoever comes with a browser or curl. */
const NO_GRPC_TEXT = "This is a gRPC server: it takes POST with content-type application/grpc.\n";

const STOPPING = new ServingError("UNAVAILABLE", "GRPC server is shutting down and has stopped accepting new requests.");
const CUT = new ServingError("UNAVAILABLE", "the server is stopping: ask another one, or again later");

interface AcceptedCall {
  readonly caller: Caller;
  readonly method: GrpcMethod;
  readonly encoding: Encoding;
  readonly deadlineMs: number | undefined;
}

export class Calls {
  readonly #options: CallsOptions;
  readonly #host: CallHost;
  readonly #methods: ReadonlyMap<string, GrpcMethod>;
  readonly #reading: ReadingLimits;
  readonly #running = new Set<RunningCall>();
  readonly #whenNone: (() => void)[] = [];
  #stopping = false;

  constructor(options: CallsOptions) {
    const { limits, compressionLevel, methods, report } = options;
    this.#options = options;
    this.#methods = new Map(methods.map((method) => [`/${method.service}/${method.method}`, method]));
    const budget = new RequestBudget(limits.messagesBytesMax);
    this.#host = {
      limits,
      budget,
      compressionLevel,
      failed: (error, path) => {
        if (REPORTED.includes(error.code)) report(error, path);
      },
    };
    this.#reading = { budget, inflating: new Turns(INFLATING_AT_ONCE) };
  }

  begin(stream: ServerHttp2Stream, headers: IncomingHttpHeaders, connection: Connection): void {
    stream.on("error", ignore); // a broken stream tells by closing
    if (stream.destroyed || stream.closed) return; // reset in the read that brought it
    const status = httpRefusal(headers);
    if (status !== undefined) {
      stream.respond({ ":status": status, "content-type": "text/plain" });
      stream.end(NO_GRPC_TEXT);
      stream.resume();
      return;
    }
    try {
      this.#run(stream, headers, connection, this.#accepted(stream, headers));
    } catch (thrown) {
      const refused = { host: this.#host, connection, caller: PUBLIC, deadlineMs: undefined, responseEncoding: "identity" } as const;
      new RunningCall(stream, headers, refused).fail(ServingError.from(thrown));
      stream.resume();
    }
  }

  /** New calls are refused from now on. */
  refuseNew(): void {
    this.#stopping = true;
  }

  stopAll(): void {
    for (const call of this.#running) call.stop(CUT);
  }

  /** Resolves when nothing runs. */
  none(): Promise<void> {
    if (this.#running.size === 0) return Promise.resolve();
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#whenNone.push(resolve);
    return promise;
  }

  sweep(): void {
    for (const call of this.#running) call.sweep();
  }

  /** @throws ServingError what refuses the call */
  #accepted(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): AcceptedCall {
    if (this.#stopping) throw STOPPING;
    const method = this.#methods.get(headers[":path"] ?? "");
    if (method === undefined) throw new ServingError("UNIMPLEMENTED", ""); // Triton says no more than that
    const asked: Asked = {
      get fromLoopback() {
        return isLoopbackHost(stream.session?.socket.remoteAddress ?? "");
      },
      header: (name) => one(headers[name]),
    };
    const caller = this.#options.guard.admit(method, asked);
    caller.budget?.check();
    return {
      caller,
      method,
      encoding: requestEncoding(one(headers["grpc-encoding"])),
      deadlineMs: parseTimeout(one(headers["grpc-timeout"])),
    };
  }

  #run(
    stream: ServerHttp2Stream,
    headers: IncomingHttpHeaders,
    connection: Connection,
    { caller, method, encoding, deadlineMs }: AcceptedCall,
  ): void {
    const { answered, clock, compressionLevel } = this.#options;
    const call = new RunningCall(stream, headers, {
      host: this.#host,
      connection,
      caller,
      deadlineMs,
      responseEncoding: compressionLevel === "none" ? "identity" : responseEncoding(one(headers["grpc-accept-encoding"])),
    });
    const takeBackDeadline =
      deadlineMs === undefined
        ? undefined
        : clock.after(deadlineMs, () => call.stop(new ServingError("CANCELLED", `the deadline of ${deadlineMs} ms has passed`)));
    this.#running.add(call);
    const arrivedMs = clock.now();
    const done = () => {
      takeBackDeadline?.();
      answered?.(method, call, arrivedMs);
      this.#running.delete(call);
      if (this.#running.size === 0) for (const resolve of this.#whenNone.splice(0)) resolve();
    };
    const { messageBytesMax } = this.#options.limits;
    const bytesMax = method.kind === "unary" ? Math.min(method.requestBytesMax ?? messageBytesMax, messageBytesMax) : messageBytesMax;
    const messages = new RequestMessages(this.#reading, bytesMax, encoding);
    if (method.kind === "unary") runUnary(method, call, messages, done);
    else void runStreaming(method, call, messages, done);
  }
}

/** The HTTP status for what is no gRPC; undefined for what is. */
function httpRefusal(headers: IncomingHttpHeaders): number | undefined {
  if (headers[":method"] !== "POST") return 405;
  return headers["content-type"]?.startsWith("application/grpc") ? undefined : 415;
}

function one(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value[0] : value;
}

function ignore(): void {}
