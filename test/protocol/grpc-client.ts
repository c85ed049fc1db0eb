/** grpc-js as client, with messages as protobuf-es has them. */
import type {
  DescMessage,
  DescMethodBiDiStreaming,
  DescMethodUnary,
  JsonObject,
  JsonValue,
  MessageInitShape,
  MessageShape,
} from "@bufbuild/protobuf";
import { create, fromBinary, fromJson, toBinary, toJson } from "@bufbuild/protobuf";
import {
  type ChannelCredentials,
  Client,
  type ClientDuplexStream,
  type ClientOptions,
  credentials,
  Metadata,
  type ServiceError,
  status,
} from "@grpc/grpc-js";

export type StatusName = keyof typeof status;

/** What became of a call. */
export interface Outcome<O> {
  readonly code: StatusName;
  readonly details: string;
  /** undefined: it failed. */
  readonly message: O | undefined;
  readonly trailers: Metadata;
}

export interface CallOptions {
  readonly metadata?: Readonly<Record<string, string>>;
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

/** A duplex stream whose messages are collected as they come. */
export interface Duplex<I, O> {
  readonly stream: ClientDuplexStream<I, O>;
  readonly messages: readonly O[];
  /** Waits until so many messages have come in all. */
  until(count: number): Promise<readonly O[]>;
  /** Waits for the end. */
  status(): Promise<Pick<Outcome<O>, "code" | "details">>;
}

export class GrpcClient implements Disposable {
  readonly #client: Client;

  constructor(port: number, options: ClientOptions & { readonly credentials?: ChannelCredentials } = {}) {
    const { credentials: given = credentials.createInsecure(), ...rest } = options;
    this.#client = new Client(`127.0.0.1:${port}`, given, {
      "grpc.max_receive_message_length": -1,
      "grpc.max_send_message_length": -1,
      "grpc.use_local_subchannel_pool": 1,
      ...rest,
    });
  }

  async unary<I extends DescMessage, O extends DescMessage>(
    rpc: DescMethodUnary<I, O>,
    message: MessageInitShape<I>,
    options: CallOptions = {},
  ): Promise<Outcome<MessageShape<O>>> {
    const bytes = toBinary(rpc.input, create(rpc.input, message));
    const { message: answer, ...outcome } = await this.bytes(pathOf(rpc), bytes, options);
    return { ...outcome, message: answer === undefined ? undefined : fromBinary(rpc.output, answer) };
  }

  /** A unary call with whatever bytes. */
  bytes(path: string, message: Uint8Array, { metadata = {}, timeoutMs, signal }: CallOptions = {}): Promise<Outcome<Uint8Array>> {
    const { promise, resolve } = Promise.withResolvers<Outcome<Uint8Array>>();
    let trailers = new Metadata();
    const options = timeoutMs === undefined ? {} : { deadline: new Date(Date.now() + timeoutMs) };
    const done = (error: ServiceError | null, answer?: Buffer) => {
      const code = statusName(error?.code ?? 0);
      setImmediate(() => resolve({ code, details: error?.details ?? "", message: answer, trailers: error?.metadata ?? trailers }));
    };
    const same = (value: Buffer) => value;
    const call = this.#client.makeUnaryRequest(path, same, same, Buffer.from(message), metadataOf(metadata), options, done);
    call.on("status", (end) => {
      trailers = end.metadata;
    });
    signal?.addEventListener("abort", () => call.cancel(), { once: true });
    return promise;
  }

  duplex<I extends DescMessage, O extends DescMessage>(
    rpc: DescMethodBiDiStreaming<I, O>,
    { metadata = {}, timeoutMs }: CallOptions = {},
  ): Duplex<MessageInitShape<I>, MessageShape<O>> {
    const encode = (message: MessageInitShape<I>) => Buffer.from(toBinary(rpc.input, create(rpc.input, message)));
    const decode = (bytes: Buffer) => fromBinary(rpc.output, bytes);
    const options = timeoutMs === undefined ? {} : { deadline: new Date(Date.now() + timeoutMs) };
    const stream = this.#client.makeBidiStreamRequest(pathOf(rpc), encode, decode, metadataOf(metadata), options);
    return collect(stream);
  }

  [Symbol.dispose](): void {
    this.#client.close();
  }
}

export function pathOf(rpc: { readonly parent: { readonly typeName: string }; readonly name: string }): string {
  return `/${rpc.parent.typeName}/${rpc.name}`;
}

/** As protobuf's JSON mapping with the names of the proto files. */
export function asJson<T extends DescMessage>(schema: T, bytes: Uint8Array): JsonValue {
  return toJson(schema, fromBinary(schema, bytes), { useProtoFieldName: true });
}

export function fromRecorded<T extends DescMessage>(schema: T, json: JsonObject): Uint8Array {
  return toBinary(schema, fromJson(schema, json));
}

function collect<I, O>(stream: ClientDuplexStream<I, O>): Duplex<I, O> {
  const messages: O[] = [];
  const ended = Promise.withResolvers<Pick<Outcome<O>, "code" | "details">>();
  let wake = Promise.withResolvers<void>();
  stream.on("data", (message: O) => {
    messages.push(message);
    wake.resolve();
    wake = Promise.withResolvers<void>();
  });
  stream.on("error", () => undefined);
  stream.on("status", ({ code, details }) => ended.resolve({ code: statusName(code), details }));
  return {
    stream,
    messages,
    async until(count) {
      while (messages.length < count) {
        const over = await Promise.race([wake.promise, ended.promise]);
        if (over !== undefined && messages.length < count)
          throw new Error(`ended with ${over.code} ${over.details} after ${messages.length}`);
      }
      return messages;
    },
    status: () => ended.promise,
  };
}

function metadataOf(entries: Readonly<Record<string, string>>): Metadata {
  const metadata = new Metadata();
  for (const [name, value] of Object.entries(entries)) metadata.set(name, value);
  return metadata;
}

export function statusName(code: number): StatusName {
  for (const name of STATUS_NAMES) if (status[name] === code) return name;
  throw new Error(`no status has the number ${code}`);
}

const STATUS_NAMES: readonly StatusName[] = [
  "OK",
  "CANCELLED",
  "UNKNOWN",
  "INVALID_ARGUMENT",
  "DEADLINE_EXCEEDED",
  "NOT_FOUND",
  "ALREADY_EXISTS",
  "PERMISSION_DENIED",
  "RESOURCE_EXHAUSTED",
  "FAILED_PRECONDITION",
  "ABORTED",
  "OUT_OF_RANGE",
  "UNIMPLEMENTED",
  "INTERNAL",
  "UNAVAILABLE",
  "DATA_LOSS",
  "UNAUTHENTICATED",
];
