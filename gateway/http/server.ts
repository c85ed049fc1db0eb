/** The HTTP server: mounts the routes of all doors. Fastify finds the route and keeps the connections' times; the rest is ours. */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import Fastify, { type FastifyInstance } from "fastify";
import type { Clock } from "../../core/clock.ts";
import { DOOR_DEFAULTS } from "../../core/door-options.ts";
import { ServingError } from "../../core/errors.ts";
import { type Asked, type Guard, OPEN_GUARD } from "../access/guard.ts";
import type { TlsSource } from "../access/tls.ts";
import { BodyBudget, EMPTY_BODY, readBody } from "./body.ts";
import { byteFaultAnswer } from "./byte-faults.ts";
import { Cors } from "./cors.ts";
import { writeEvents } from "./event-stream.ts";
import { Gate } from "./gate.ts";
import { isLoopbackHost } from "./host-check.ts";
import { type ListenAddress, listeningError } from "./listening-error.ts";
import { LiveRequests } from "./live-requests.ts";
import { nodeServer } from "./node-server.ts";
import { pathOf, routerPath } from "./path-pattern.ts";
import { headerOf, headerPairs } from "./raw-headers.ts";
import type { HttpAnswer, HttpFault, HttpRequest, Route, WholeAnswer } from "./route.ts";
import { Surfaces } from "./surfaces.ts";
import { Sweep } from "./sweep.ts";

export interface HttpServerOptions extends ListenAddress {
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

export interface HttpLimits {
  /** Of a body, also once it is inflated. */
  readonly bodyBytesMax: number;
  readonly headersMsMax: number;
  readonly requestMsMax: number;
  readonly bodyIdleMsMax: number;
  /** Of all requests that are being read, together; eight times `bodyBytesMax` unless said. */
  readonly bodiesBytesMax: number;
  readonly keepAliveMs: number;
  readonly unreadMsMax: number;
  /** How exactly the times above are kept. */
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

const IDLE_CONNECTION_MS_MAX = 75_000;
/** What a stream gets to say that the server is stopping. */
const LAST_WORDS_MS = 500;
const COMMON_HEADERS = { "x-content-type-options": "nosniff" };
const CHALLENGE = { "www-authenticate": "Bearer" };
const NO_QUERY = new URLSearchParams();

/** @throws ServingError when the port cannot be listened on. */
export async function startHttpServer(options: HttpServerOptions): Promise<HttpServer> {
  const server = new Gateway(options);
  await server.listen(options);
  return server;
}

class Gateway implements HttpServer {
  readonly #app: FastifyInstance;
  readonly #clock: Clock;
  readonly #limits: HttpLimits;
  readonly #sweep: Sweep;
  readonly #budget: BodyBudget;
  readonly #surfaces: Surfaces;
  readonly #live = new LiveRequests();
  readonly #cors: Cors;
  readonly #gate: Gate;
  readonly #guard: Guard;
  readonly #tls: TlsSource | undefined;
  readonly #report: (error: ServingError, route: Route) => void;
  #stopping = false;
  #port = 0;

  constructor({ clock, host, routes, limits, report, guard = OPEN_GUARD, tls, corsOrigins = [] }: HttpServerOptions) {
    this.#clock = clock;
    const { bodyBytesMax } = { ...HTTP_LIMITS, ...limits };
    this.#limits = { ...HTTP_LIMITS, bodiesBytesMax: 8 * bodyBytesMax, ...limits };
    this.#sweep = new Sweep(clock, this.#limits.sweepMs);
    this.#budget = new BodyBudget(this.#limits.bodiesBytesMax);
    this.#surfaces = new Surfaces(routes);
    this.#cors = new Cors(corsOrigins);
    this.#gate = new Gate(host, this.#cors);
    this.#guard = guard;
    this.#tls = tls;
    this.#report = report ?? (() => undefined);
    this.#app = this.#application(routes);
    this.#live.watch(this.#app.server);
  }

  get port(): number {
    return this.#port;
  }

  async listen(address: ListenAddress): Promise<void> {
    try {
      await this.#app.listen({ host: address.host, port: address.port });
      const bound = this.#app.server.address();
      this.#port = typeof bound === "object" ? (bound?.port ?? 0) : 0;
    } catch (thrown) {
      throw listeningError(thrown, "HTTP", address);
    }
  }

  announceStop(): void {
    this.#stopping = true;
  }

  async close(graceMs: number): Promise<void> {
    this.announceStop();
    const closed = this.#app.close();
    const takeBackAbort = this.#clock.after(graceMs, () =>
      this.#live.abortAll(new ServingError("UNAVAILABLE", "the server is stopping: ask another one, or again later")),
    );
    const takeBackCut = this.#clock.after(graceMs + LAST_WORDS_MS, () => this.#app.server.closeAllConnections());
    await this.#live.none();
    this.#app.server.closeIdleConnections();
    await closed;
    takeBackAbort();
    takeBackCut();
    this.#sweep.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close(0);
  }

  #application(routes: readonly Route[]): FastifyInstance {
    const times = {
      headersTimeout: this.#limits.headersMsMax,
      connectionsCheckingInterval: this.#limits.sweepMs,
      keepAliveTimeout: IDLE_CONNECTION_MS_MAX,
      requestTimeout: this.#limits.requestMsMax,
    };
    const app = Fastify({
      exposeHeadRoutes: false,
      forceCloseConnections: "idle",
      return503OnClosing: false,
      serverFactory: (handle) => nodeServer(times, handle, this.#tls),
      routerOptions: { maxParamLength: 1024 },
      clientErrorHandler: (error, socket) => this.#refuseBytes(error, socket),
      frameworkErrors: (_error, request, reply) => {
        reply.hijack();
        this.#refuse(request.raw, reply.raw, { kind: "refused", status: 400, message: "the path is malformed" });
      },
    });
    app.removeAllContentTypeParsers();
    app.addContentTypeParser("*", (_request, _payload, done) => done(null)); // bodies are read by the routes' own rules
    app.setNotFoundHandler((request, reply) => {
      reply.hijack();
      this.#unrouted(request.raw, reply.raw);
    });
    for (const route of routes) {
      app.route<{ Params: Record<string, string> }>({
        method: route.method,
        url: routerPath(route.path),
        handler: (request, reply) => {
          reply.hijack();
          return this.#serve(route, request.raw, reply.raw, request.params);
        },
      });
    }
    return app;
  }

  async #serve(route: Route, raw: IncomingMessage, response: ServerResponse, params: Record<string, string>): Promise<void> {
    const running = this.#live.begin(raw.socket);
    try {
      const answer = await this.#answer(route, raw, params, running.signal);
      if (answer.kind === "whole") {
        if (!response.destroyed) this.#send(raw, response, answer);
      } else {
        await writeEvents(response, { ...answer, headers: { ...this.#headers(raw), ...answer.headers } }, this.#limits, this.#sweep);
      }
    } catch (thrown) {
      this.#report(ServingError.from(thrown), route);
    } finally {
      this.#live.answered(raw.socket, running, response);
    }
  }

  async #answer(route: Route, raw: IncomingMessage, params: Record<string, string>, signal: AbortSignal): Promise<HttpAnswer> {
    const arrivedMs = this.#clock.now();
    try {
      const fault = this.#fault(raw, route);
      if (fault !== undefined) return route.errors.faulty(fault);
      const asked: Asked = {
        get fromLoopback() {
          return isLoopbackHost(raw.socket.remoteAddress ?? "");
        },
        header: (name) => headerOf(raw, name),
      };
      const tenant = this.#guard.admit(route, asked);
      let body = EMPTY_BODY;
      const { bodyBytesMax, bodyIdleMsMax } = this.#limits;
      if (route.body === "bytes") {
        const limits = { bytesMax: bodyBytesMax, idleMsMax: bodyIdleMsMax, budget: this.#budget };
        const outcome = await readBody(raw, limits, this.#sweep);
        if (outcome.kind === "fault") return route.errors.faulty(outcome.fault);
        body = outcome.body;
      }
      const query = raw.url?.indexOf("?") ?? -1;
      const request: HttpRequest = {
        arrivedMs,
        param: (name) => params[name] ?? "",
        query: query === -1 ? NO_QUERY : new URLSearchParams(raw.url?.slice(query)),
        body,
        bodyBytesMax,
        tenant,
        signal,
        stopping: this.#stopping,
        get fromLoopback() {
          return asked.fromLoopback;
        },
        header: asked.header,
        headers: () => headerPairs(raw.rawHeaders),
      };
      return await route.handle(request);
    } catch (thrown) {
      const error = ServingError.from(thrown);
      const answer = route.errors.failed(error);
      if (answer.status > 499) this.#report(error, route);
      return error.code === "UNAUTHENTICATED" ? { ...answer, headers: { ...answer.headers, ...CHALLENGE } } : answer;
    }
  }

  #fault(raw: IncomingMessage, route: Route | undefined): HttpFault | undefined {
    const { host, origin } = raw.headers;
    return this.#gate.refusal({ method: raw.method, host, origin, headersCount: raw.rawHeaders.length / 2 }, route?.access);
  }

  /** No route takes it; a browser that asks what it may do has no route either. */
  #unrouted(raw: IncomingMessage, response: ServerResponse): void {
    const fault = this.#surfaces.faultOf(pathOf(raw.url ?? ""));
    const asks = raw.method === "OPTIONS" && fault.kind === "method-not-allowed" && this.#fault(raw, undefined) === undefined;
    const answer = asks ? this.#cors.preflight(raw.headers, fault.allowed) : undefined;
    if (answer !== undefined) this.#send(raw, response, answer);
    else this.#refuse(raw, response, fault);
  }

  #refuse(raw: IncomingMessage, response: ServerResponse, fault: HttpFault): void {
    const shape = this.#surfaces.shapeOf(pathOf(raw.url ?? ""));
    this.#send(raw, response, shape.faulty(this.#fault(raw, undefined) ?? fault));
  }

  #send(raw: IncomingMessage, response: ServerResponse, answer: WholeAnswer): void {
    const length = Buffer.byteLength(answer.body);
    response.writeHead(answer.status, { ...this.#headers(raw), "cache-control": "no-store", "content-length": length, ...answer.headers });
    response.end(answer.body);
  }

  #headers({ headers: { origin } }: IncomingMessage): Record<string, string> {
    if (origin === undefined && !this.#stopping) return COMMON_HEADERS;
    return { ...COMMON_HEADERS, ...this.#cors.headers(origin), ...(this.#stopping && { connection: "close" }) };
  }

  /** Bytes that are no HTTP, or come too slowly. Nothing can be said when an answer is on its way already. */
  #refuseBytes(error: Error & { code?: string }, socket: Socket): void {
    if (!socket.writable || this.#live.on(socket) || error.code?.startsWith("ERR_SSL") === true) {
      socket.destroy();
      return;
    }
    socket.write(byteFaultAnswer(error.code));
    socket.destroySoon();
  }
}
