/** Calls over a gRPC channel of grpc-js, which is loaded by the first call: messages in and out, limits, and what failures become. */
import {
  create,
  type DescMessage,
  type DescMethod,
  type DescMethodBiDiStreaming,
  type DescMethodUnary,
  fromBinary,
  type MessageInitShape,
  type MessageShape,
  toBinary,
} from "@bufbuild/protobuf";
import type { ClientDuplexStream, Client as GrpcJsClient, Metadata, ServiceError } from "@grpc/grpc-js";
import type { LinkedSignal } from "../../core/abort.ts";
import { systemClock } from "../../core/clock.ts";
import type { CallOptions } from "../client.ts";
import { ClientError, codeOfGrpcStatus, stopped } from "../client-error.ts";
import { limitedSignal } from "../limited-signal.ts";
import { channelOptions, credentials, type GrpcClientOptions } from "./channel-options.ts";

type GrpcJs = typeof import("@grpc/grpc-js");

interface Opened {
  readonly grpc: GrpcJs;
  readonly client: GrpcJsClient;
}

/** What a call is made with. */
interface Prepared extends Opened {
  readonly metadata: Metadata;
  /** For the server, Unix milliseconds. */
  readonly deadline: { readonly deadline?: number };
}

export type Duplex<I, O> = ClientDuplexStream<I, O>;

const CANCELLED = 1;

export class Channel {
  readonly #address: string;
  readonly #options: GrpcClientOptions;
  readonly #closed = new AbortController();
  #opened: Promise<Opened> | undefined;

  constructor(address: string, options: GrpcClientOptions) {
    this.#address = address;
    this.#options = options;
  }

  async close(): Promise<void> {
    this.#closed.abort(new ClientError("CANCELLED", "the client is closed"));
    (await this.#opened)?.client.close();
  }

  /** @throws ClientError the server's refusal, UNAVAILABLE, CANCELLED, DEADLINE_EXCEEDED */
  async unary<I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>,
    request: MessageInitShape<I>,
    options: CallOptions = {},
  ): Promise<MessageShape<O>> {
    using limit = this.#limit(options);
    const { client, metadata, deadline } = await this.#prepare(options, limit.signal);
    const { promise, resolve, reject } = settlement<MessageShape<O>>();
    const call = client.makeUnaryRequest(
      pathOf(method),
      (message: MessageInitShape<I>) => encoded(method.input, message),
      (bytes) => decoded(method.output, bytes),
      request,
      metadata,
      deadline,
      (error, answer) => (answer === undefined ? reject(this.#failure(error, limit.signal, options)) : resolve(answer)),
    );
    using _ = onAbort(limit.signal, () => call.cancel());
    return await promise;
  }

  /** A stream both ways; `limit` is the caller's to dispose, which ends the call. */
  async duplex<I extends DescMessage, O extends DescMessage>(
    method: DescMethodBiDiStreaming<I, O>,
    options: CallOptions = {},
  ): Promise<{ readonly call: Duplex<MessageInitShape<I>, MessageShape<O>>; readonly limit: LinkedSignal }> {
    const limit = this.#limit(options);
    const { client, metadata, deadline } = await this.#prepare(options, limit.signal);
    const call = client.makeBidiStreamRequest(
      pathOf(method),
      (message: MessageInitShape<I>) => encoded(method.input, message),
      (bytes) => decoded(method.output, bytes),
      metadata,
      deadline,
    );
    call.on("error", ignore); // told by what reads it
    limit.signal.addEventListener("abort", () => call.cancel(), { once: true });
    return { call, limit };
  }

  /** What a failed call throws. */
  failure(thrown: unknown, signal: AbortSignal, options: CallOptions = {}): ClientError {
    if (thrown instanceof ClientError) return thrown;
    return this.#failure(isServiceError(thrown) ? thrown : null, signal, options, thrown);
  }

  #failure(error: ServiceError | null, signal: AbortSignal, { timeoutMs = this.#options.timeoutMs }: CallOptions, cause: unknown = error) {
    if (signal.aborted) return stopped(signal.reason);
    if (error === null) return new ClientError("INTERNAL", `the call to ${this.#address} ended without an answer`, { cause });
    // Triton answers CANCELLED when the time that it was given is up, and may be first to notice.
    const isLate = error.code === CANCELLED && timeoutMs !== undefined;
    if (isLate)
      return new ClientError("DEADLINE_EXCEEDED", `the deadline of ${timeoutMs} ms has passed`, { status: error.code, cause: error });
    return new ClientError(codeOfGrpcStatus(error.code), error.details || error.message, { status: error.code, cause: error });
  }

  #limit({ timeoutMs = this.#options.timeoutMs, signal }: CallOptions): LinkedSignal {
    return limitedSignal({ clock: systemClock, timeoutMs, signals: [signal, this.#closed.signal] });
  }

  async #prepare({ headers, timeoutMs = this.#options.timeoutMs }: CallOptions, signal: AbortSignal): Promise<Prepared> {
    if (signal.aborted) throw stopped(signal.reason);
    this.#opened ??= this.#open();
    const opened = await this.#opened;
    if (signal.aborted) throw stopped(signal.reason);
    const metadata = new opened.grpc.Metadata();
    for (const [name, value] of Object.entries({ ...this.#options.headers, ...headers })) metadata.set(name, value);
    return { ...opened, metadata, deadline: timeoutMs === undefined ? {} : { deadline: systemClock.wallClockMs() + timeoutMs } };
  }

  async #open(): Promise<Opened> {
    const grpc = await loadGrpcJs();
    const client = new grpc.Client(this.#address, credentials(grpc, this.#options.tls), channelOptions(grpc, this.#options));
    return { grpc, client };
  }
}

/** @throws ClientError FAILED_PRECONDITION where grpc-js is not installed */
async function loadGrpcJs(): Promise<GrpcJs> {
  try {
    return await import("@grpc/grpc-js");
  } catch (thrown) {
    throw new ClientError("FAILED_PRECONDITION", "GrpcClient needs the package @grpc/grpc-js: npm install @grpc/grpc-js", {
      cause: thrown,
    });
  }
}

function pathOf(method: DescMethod): string {
  return `/${method.parent.typeName}/${method.name}`;
}

function encoded<T extends DescMessage>(schema: T, message: MessageInitShape<T>): Buffer {
  const { buffer, byteOffset, byteLength } = toBinary(schema, create(schema, message));
  return Buffer.from(buffer, byteOffset, byteLength);
}

/** A message's bytes are parts of these, and no Buffers. */
function decoded<T extends DescMessage>(schema: T, { buffer, byteOffset, byteLength }: Buffer): MessageShape<T> {
  return fromBinary(schema, new Uint8Array(buffer, byteOffset, byteLength));
}

function settlement<T>() {
  let resolve: (value: T) => void = ignore;
  let reject: (reason: unknown) => void = ignore;
  const promise = new Promise<T>((resolveIt, rejectIt) => {
    [resolve, reject] = [resolveIt, rejectIt];
  });
  return { promise, resolve, reject };
}

function onAbort(signal: AbortSignal, act: () => void): Disposable {
  signal.addEventListener("abort", act, { once: true });
  return { [Symbol.dispose]: () => signal.removeEventListener("abort", act) };
}

function isServiceError(thrown: unknown): thrown is ServiceError {
  return thrown instanceof Error && "code" in thrown && typeof thrown.code === "number" && "details" in thrown;
}

function ignore(): void {}
