/** The gRPC server: the methods of all doors over HTTP/2, with or without TLS. */
import type { Server, Socket } from "node:net";
import type { Clock } from "../../core/clock.ts";
import type { ServingError } from "../../core/errors.ts";
import { type Guard, OPEN_GUARD } from "../access/guard.ts";
import type { TlsSource } from "../access/tls.ts";
import { Connection, type ConnectionHost } from "../http2/connection.ts";
import type { ServerStream } from "../http2/server-stream.ts";
import { listener } from "../sockets/listener.ts";
import { type ListenAddress, listeningError } from "../sockets/listening-error.ts";
import { Sweep } from "../sockets/sweep.ts";
import type { Answered } from "./answered-calls.ts";
import { Calls } from "./calls.ts";
import type { CompressionLevel } from "./compression.ts";
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

/** What clients get to read their last status. */
const LAST_WORDS_MS = 500;

/** @throws ServingError when the port cannot be listened on. */
export async function startGrpcServer(options: GrpcServerOptions): Promise<GrpcServer> {
  const server = new MethodServer(options);
  await server.listen(options);
  return server;
}

class MethodServer implements GrpcServer, ConnectionHost {
  readonly limits: GrpcLimits;
  readonly #clock: Clock;
  readonly #server: Server;
  readonly #sweep: Sweep;
  readonly #calls: Calls;
  readonly #connections = new Set<Connection>();
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
    this.limits = grpcLimits(limits);
    this.#sweep = new Sweep(clock, this.limits.sweepMs);
    this.#calls = new Calls({ clock, methods, limits: this.limits, compressionLevel, guard, report, answered });
    this.#server = listener((socket) => this.#connected(socket), { protocol: "h2", handshakeMsMax: this.limits.handshakeMsMax, tls });
    this.#server.maxConnections = this.limits.connectionsMax;
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
    for (const connection of this.#connections) connection.leave();
  }

  async close(graceMs: number): Promise<void> {
    this.#calls.refuseNew();
    const takeBackStop = this.#clock.after(graceMs, () => this.#calls.stopAll());
    await this.#calls.none();
    takeBackStop();
    const { promise: closed, resolve } = Promise.withResolvers<void>();
    this.#server.close(() => resolve());
    for (const connection of this.#connections) connection.leaveNow();
    const takeBackCut = this.#clock.after(LAST_WORDS_MS, () => {
      for (const connection of this.#connections) connection.cut();
    });
    await closed;
    takeBackCut();
    this.#sweep.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close(0);
  }

  sweep(nowMs: number): void {
    for (const connection of this.#connections) connection.sweep(nowMs);
    this.#calls.sweep();
  }

  nowMs(): number {
    return this.#clock.now();
  }

  begin(stream: ServerStream): void {
    this.#calls.begin(stream);
  }

  closed(connection: Connection): void {
    this.#connections.delete(connection);
  }

  #connected(socket: Socket): void {
    this.#connections.add(new Connection(socket, this));
  }
}
