/** The gRPC server: the methods of all doors on Node's HTTP/2, with or without TLS. */
import {
  createSecureServer,
  createServer,
  type Http2SecureServer,
  type Http2Server,
  type Http2Session,
  type ServerHttp2Stream,
} from "node:http2";
import type { Clock } from "../../core/clock.ts";
import type { ServingError } from "../../core/errors.ts";
import { type Guard, OPEN_GUARD } from "../access/guard.ts";
import type { TlsSource } from "../access/tls.ts";
import { type ListenAddress, listeningError } from "../http/listening-error.ts";
import { Sweep } from "../http/sweep.ts";
import type { Answered } from "./answered-calls.ts";
import { Calls } from "./calls.ts";
import type { CompressionLevel } from "./compression.ts";
import { Connection } from "./connection.ts";
import { type GrpcLimits, grpcLimits } from "./limits.ts";
import type { GrpcMethod } from "./method.ts";

export interface GrpcServerOptions extends ListenAddress {
  readonly clock: Clock;
  readonly methods: readonly GrpcMethod[];
  /** undefined: in plain text. */
  readonly tls?: TlsSource | undefined;
  /** Of answers, for clients that take it; `none` unless said. */
  readonly compressionLevel?: CompressionLevel | undefined;
  /** undefined: all are let in, but for control from other machines. */
  readonly guard?: Guard;
  /** Told of every call that fails by our fault, once. */
  readonly report?: (error: ServingError, path: string) => void;
  readonly limits?: Partial<GrpcLimits>;
  /** Told of every call that is over. */
  readonly answered?: Answered | undefined;
}

export interface GrpcServer extends AsyncDisposable {
  readonly port: number;
  /** Sends clients away (GOAWAY): what runs goes on, their next calls take new connections, here or elsewhere. */
  announceStop(): void;
  /** Refuses new calls, gives what runs `graceMs` to finish, then ends it. Waits until all connections are gone. */
  close(graceMs: number): Promise<void>;
}

/** What a client may send before we have read it. */
const STREAM_WINDOW_BYTES = 1024 * 1024;
const CONNECTION_WINDOW_BYTES = 32 * 1024 * 1024;
const HEADER_BYTES_MAX = 16 * 1024;
/** What a connection's streams may hold before Node refuses more of them, MiB; with its default of 10 it does under load. */
const SESSION_MEBIBYTES_MAX = 1024;
/** Streams over the limit that end a connection: a client opens some before it has read our settings. */
const REJECTED_STREAMS_MAX = 1_000;
/** What clients get to read their last status. */
const LAST_WORDS_MS = 500;

/** @throws ServingError when the port cannot be listened on. */
export async function startGrpcServer(options: GrpcServerOptions): Promise<GrpcServer> {
  const server = new MethodServer(options);
  await server.listen(options);
  return server;
}

class MethodServer implements GrpcServer {
  readonly #clock: Clock;
  readonly #limits: GrpcLimits;
  readonly #server: Http2Server | Http2SecureServer;
  readonly #sweep: Sweep;
  readonly #calls: Calls;
  readonly #connections = new Map<Http2Session, Connection>();
  #port = 0;

  constructor({
    clock,
    methods,
    tls,
    compressionLevel = "none",
    guard = OPEN_GUARD,
    report = () => undefined,
    limits,
    answered,
  }: GrpcServerOptions) {
    this.#clock = clock;
    this.#limits = grpcLimits(limits);
    this.#sweep = new Sweep(clock, this.#limits.sweepMs);
    this.#calls = new Calls({ clock, methods, limits: this.#limits, compressionLevel, guard, report, answered });
    this.#server = http2Server(tls, this.#limits);
    this.#server.maxConnections = this.#limits.connectionsMax;
    this.#server.on("session", (session) => this.#connected(session));
    this.#server.on("sessionError", () => undefined); // it ends the connection: there is nobody left to tell
  }

  get port(): number {
    return this.#port;
  }

  listen(address: ListenAddress): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#server.once("error", (thrown) => reject(listeningError(thrown, "gRPC", address)));
    this.#server.listen({ host: address.host, port: address.port }, () => {
      const bound = this.#server.address();
      this.#port = typeof bound === "object" ? (bound?.port ?? 0) : 0;
      this.#sweep.add(this);
      resolve();
    });
    return promise;
  }

  announceStop(): void {
    for (const session of this.#connections.keys()) session.close();
  }

  async close(graceMs: number): Promise<void> {
    this.#calls.refuseNew();
    const takeBackStop = this.#clock.after(graceMs, () => this.#calls.stopAll());
    await this.#calls.none();
    takeBackStop();
    const { promise: closed, resolve } = Promise.withResolvers<void>();
    this.#server.close(() => resolve());
    for (const session of this.#connections.keys()) session.close();
    const takeBackCut = this.#clock.after(LAST_WORDS_MS, () => {
      for (const session of this.#connections.keys()) session.destroy();
    });
    await closed;
    takeBackCut();
    this.#sweep.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close(0);
  }

  sweep(nowMs: number): void {
    for (const connection of this.#connections.values()) connection.sweep(nowMs);
    this.#calls.sweep();
  }

  #connected(session: Http2Session): void {
    const connection = new Connection(session, this.#limits, this.#sweep);
    this.#connections.set(session, connection);
    session.setLocalWindowSize(CONNECTION_WINDOW_BYTES);
    session.on("stream", (stream: ServerHttp2Stream, headers) => {
      connection.heard();
      this.#calls.begin(stream, headers, connection);
    });
    session.once("close", () => this.#connections.delete(session));
  }
}

function http2Server(source: TlsSource | undefined, { streamsMax, resetsPerSecondMax }: GrpcLimits): Http2Server | Http2SecureServer {
  const options = {
    maxSessionMemory: SESSION_MEBIBYTES_MAX,
    maxSessionRejectedStreams: REJECTED_STREAMS_MAX,
    streamResetBurst: 2 * streamsMax, // a client may give up all its calls at once
    streamResetRate: resetsPerSecondMax,
    settings: {
      maxConcurrentStreams: streamsMax,
      initialWindowSize: STREAM_WINDOW_BYTES,
      maxHeaderListSize: HEADER_BYTES_MAX,
      enablePush: false,
    },
  };
  if (source === undefined) return createServer(options);
  const server = createSecureServer({ ...options, ...source.options, allowHTTP1: false });
  source.onRenewal((renewed) => server.setSecureContext(renewed));
  return server;
}
