/** The HTTP server: HTTP/1.1 on sockets of its own, with the routes of all doors. */
import type { Server, Socket } from "node:net";
import { LentMemory } from "../../core/bytes/lent-memory.ts";
import type { Clock } from "../../core/clock.ts";
import { DOOR_DEFAULTS } from "../../core/door-options.ts";
import { ServingError } from "../../core/errors.ts";
import { type Guard, OPEN_GUARD } from "../access/guard.ts";
import type { TlsSource } from "../access/tls.ts";
import type { HttpFault, Route } from "../http/route.ts";
import { listener } from "../sockets/listener.ts";
import { type ListenAddress, listeningError } from "../sockets/listening-error.ts";
import { Sweep } from "../sockets/sweep.ts";
import { type Addressed, Addressing } from "./addressed.ts";
import { Answering } from "./answering.ts";
import { BodyBudget } from "./body-reader.ts";
import { Connection, type ConnectionHost } from "./connection.ts";
import type { ConnectionLimits } from "./connection-limits.ts";
import { Cors } from "./cors.ts";
import type { Exchange } from "./exchange.ts";
import { Gate } from "./gate.ts";
import type { RequestHead } from "./request-head.ts";
import { RouteTable } from "./route-table.ts";

export interface HttpServerOptions extends ListenAddress {
  /** What the port is for, in what is said of it; `HTTP` unless said. */
  readonly purpose?: string;
  readonly clock: Clock;
  readonly routes: readonly Route[];
  /** Told of every answer above 499 and of every cut stream, once. */
  readonly report?: (error: ServingError, route: Route) => void;
  readonly limits?: Partial<HttpLimits>;
  /** undefined: all are let in, but for control from other machines. */
  readonly guard?: Guard;
  /** undefined: in plain text. */
  readonly tls?: TlsSource | undefined;
  /** Whose pages may call; none unless said. */
  readonly corsOrigins?: readonly string[];
}

export interface HttpLimits extends ConnectionLimits {
  /** Of all requests that are being read, together; eight times `bodyBytesMax` unless said. */
  readonly bodiesBytesMax: number;
  readonly keepAliveMs: number;
  /** How exactly the times are kept. */
  readonly sweepMs: number;
}

export const HTTP_LIMITS: Omit<HttpLimits, "bodiesBytesMax"> = {
  bodyBytesMax: DOOR_DEFAULTS.httpMaxInputSize,
  headersMsMax: 10_000,
  requestMsMax: 300_000,
  bodyIdleMsMax: 10_000,
  keepAliveMs: 15_000,
  unreadMsMax: 30_000,
  sweepMs: 1_000,
};

export interface HttpServer extends AsyncDisposable {
  readonly port: number;
  /** Says that it is about to stop: health routes answer no, and connections are closed after their next answer. */
  announceStop(): void;
  /** Takes no new connections, ends idle ones, and gives what runs `graceMs` to finish. Waits until all are gone. */
  close(graceMs: number): Promise<void>;
}

/** What a stream gets to say that the server is stopping. */
const LAST_WORDS_MS = 500;

/** @throws ServingError when the port cannot be listened on. */
export async function startHttpServer(options: HttpServerOptions): Promise<HttpServer> {
  const server = new Gateway(options);
  await server.listen(options);
  return server;
}

class Gateway implements HttpServer, ConnectionHost {
  readonly limits: HttpLimits;
  readonly budget: BodyBudget;
  readonly memory = new LentMemory();
  readonly #clock: Clock;
  readonly #sweep: Sweep;
  readonly #addressing: Addressing;
  readonly #answering: Answering;
  readonly #server: Server;
  readonly #connections = new Set<Connection>();
  #stopping = false;
  #port = 0;
  #dateLine = "";
  #dateAtMs = Number.NEGATIVE_INFINITY;

  constructor({ clock, host, routes, limits, report, guard = OPEN_GUARD, tls, corsOrigins = [] }: HttpServerOptions) {
    this.#clock = clock;
    const { bodyBytesMax } = { ...HTTP_LIMITS, ...limits };
    this.limits = { ...HTTP_LIMITS, bodiesBytesMax: 8 * bodyBytesMax, ...limits };
    this.budget = new BodyBudget(this.limits.bodiesBytesMax);
    this.#sweep = new Sweep(clock, this.limits.sweepMs);
    const cors = new Cors(corsOrigins);
    this.#addressing = new Addressing(new RouteTable(routes), new Gate(host, cors), cors);
    this.#answering = new Answering({
      routes,
      cors,
      guard,
      sweep: this.#sweep,
      keepAliveMs: this.limits.keepAliveMs,
      report: report ?? (() => undefined),
    });
    this.#server = listener((socket) => this.#connected(socket), {
      protocol: "http/1.1",
      handshakeMsMax: this.limits.headersMsMax,
      tls,
    });
  }

  get port(): number {
    return this.#port;
  }

  get stopping(): boolean {
    return this.#stopping;
  }

  listen({ purpose = "HTTP", host, port }: HttpServerOptions): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#server.once("error", (thrown) => reject(listeningError(thrown, purpose, { host, port })));
    this.#server.listen({ host, port }, () => {
      const bound = this.#server.address();
      this.#port = typeof bound === "object" ? (bound?.port ?? 0) : 0;
      resolve();
    });
    return promise;
  }

  announceStop(): void {
    this.#stopping = true;
  }

  async close(graceMs: number): Promise<void> {
    this.announceStop();
    const { promise: closed, resolve } = Promise.withResolvers<void>();
    this.#server.close(() => resolve());
    for (const connection of this.#connections) connection.stop();
    const stopped = new ServingError("UNAVAILABLE", "the server is stopping: ask another one, or again later");
    const takeBackAbort = this.#clock.after(graceMs, () => {
      for (const connection of this.#connections) connection.abort(stopped);
    });
    const takeBackCut = this.#clock.after(graceMs + LAST_WORDS_MS, () => {
      for (const connection of this.#connections) connection.cut();
    });
    await closed;
    takeBackAbort();
    takeBackCut();
    this.#sweep.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close(0);
  }

  nowMs(): number {
    return this.#clock.now();
  }

  dateLine(): string {
    const nowMs = this.#clock.now();
    if (nowMs - this.#dateAtMs >= 500) {
      this.#dateAtMs = nowMs;
      this.#dateLine = `date: ${new Date(this.#clock.wallClockMs()).toUTCString()}\r\n`;
    }
    return this.#dateLine;
  }

  address(head: RequestHead): Addressed {
    return this.#addressing.of(head);
  }

  begin(exchange: Exchange, connection: Connection): boolean {
    return this.#answering.begin(exchange, connection);
  }

  run(exchange: Exchange, connection: Connection): void {
    this.#answering.run(exchange, connection);
  }

  refuse(exchange: Exchange, connection: Connection, fault: HttpFault): void {
    this.#answering.refuse(exchange, connection, fault);
  }

  closed(connection: Connection): void {
    this.#connections.delete(connection);
    this.#sweep.delete(connection);
  }

  #connected(socket: Socket): void {
    const connection = new Connection(socket, this);
    this.#connections.add(connection);
    this.#sweep.add(connection);
  }
}
