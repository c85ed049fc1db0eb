/** The calls of a server: checks what HTTP/2 and gRPC ask of a request, finds its method, and knows what runs. */
import { LentMemory } from "../../core/bytes/lent-memory.ts";
import type { Clock } from "../../core/clock.ts";
import { ServingError } from "../../core/errors.ts";
import { askedExplanation } from "../access/asked-explanation.ts";
import { type Asked, type Caller, type Guard, PUBLIC } from "../access/guard.ts";
import { isLoopbackHost } from "../access/host-check.ts";
import { HEADER_LIST_BYTES_MAX } from "../http2/header-reader.ts";
import type { ServerStream } from "../http2/server-stream.ts";
import type { RouteExplanation } from "../routing/route-explanation.ts";
import type { Answered } from "./answered-calls.ts";
import { type CompressionLevel, type Encoding, requestEncoding, responseEncoding } from "./compression.ts";
import { httpRefusal, RefusedRequest } from "./http-refusal.ts";
import type { GrpcLimits } from "./limits.ts";
import type { GrpcMethod } from "./method.ts";
import { RequestBudget } from "./request-budget.ts";
import { type ReadingLimits, RequestMessages } from "./request-messages.ts";
import { type CallHost, RunningCall } from "./running-call.ts";
import { StreamingRun } from "./streaming.ts";
import { parseTimeout } from "./timeout.ts";
import { Turns } from "./turns.ts";
import { UnaryRun } from "./unary.ts";

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

const STOPPING = new ServingError("UNAVAILABLE", "GRPC server is shutting down and has stopped accepting new requests.");
const TOO_MANY_HEADERS = new ServingError(
  "RESOURCE_EXHAUSTED",
  `the metadata is larger than the ${HEADER_LIST_BYTES_MAX} bytes that this server takes`,
);
const CUT = new ServingError("UNAVAILABLE", "the server is stopping: ask another one, or again later");

interface AcceptedCall {
  readonly caller: Caller;
  readonly explanation: RouteExplanation | undefined;
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
    this.#reading = { budget, inflating: new Turns(INFLATING_AT_ONCE), memory: new LentMemory() };
  }

  begin(stream: ServerStream): void {
    const status = httpRefusal(stream.headers);
    if (status !== undefined) {
      stream.handler = new RefusedRequest(stream, status);
      return;
    }
    try {
      this.#run(stream, this.#accepted(stream));
    } catch (thrown) {
      const refused = { host: this.#host, caller: PUBLIC, deadlineMs: undefined, responseEncoding: "identity" } as const;
      new RunningCall(stream, refused).fail(ServingError.from(thrown));
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
  #accepted({ headers: { path, fields, oversized }, remoteAddress }: ServerStream): AcceptedCall {
    if (this.#stopping) throw STOPPING;
    if (oversized) throw TOO_MANY_HEADERS;
    const method = this.#methods.get(path);
    if (method === undefined) throw new ServingError("UNIMPLEMENTED", ""); // Triton says no more than that
    const asked: Asked = {
      get fromLoopback() {
        return isLoopbackHost(remoteAddress);
      },
      header: (name) => fields.get(name),
    };
    const caller = this.#options.guard.admit(method, asked);
    caller.budget?.check();
    return {
      caller,
      explanation: method.kind === "unary" && method.access === "inference" ? askedExplanation(asked, this.#options.guard) : undefined,
      method,
      encoding: requestEncoding(fields.get("grpc-encoding")),
      deadlineMs: parseTimeout(fields.get("grpc-timeout")),
    };
  }

  #run(stream: ServerStream, { caller, explanation, method, encoding, deadlineMs }: AcceptedCall): void {
    const { answered, clock, compressionLevel } = this.#options;
    const call = new RunningCall(stream, {
      host: this.#host,
      caller,
      explanation,
      deadlineMs,
      responseEncoding: compressionLevel === "none" ? "identity" : responseEncoding(stream.headers.fields.get("grpc-accept-encoding")),
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
    if (method.kind === "unary") {
      stream.handler = new UnaryRun(method, call, messages, done);
      return;
    }
    const run = new StreamingRun(call, messages);
    stream.handler = run;
    void run.run(method, done);
  }
}
