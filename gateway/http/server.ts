/** The HTTP server: mounts the routes of all doors. Fastify finds the route and keeps the connections' times; the rest is ours. */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import Fastify, { type FastifyInstance } from "fastify";
import type { Clock } from "../../core/clock.ts";
import { ServingError } from "../../core/errors.ts";
import { BodyBudget, EMPTY_BODY, readBody } from "./body.ts";
import { writeEvents } from "./event-stream.ts";
import { isLoopbackHost, knownHost, sameOrigin } from "./host-check.ts";
import { type ListenAddress, listeningError } from "./listening-error.ts";
import { LiveRequests } from "./live-requests.ts";
import { pathOf, routerPath } from "./path-pattern.ts";
import { BODY_BYTES_MAX, type HttpAnswer, type HttpFault, type HttpRequest, type Route, type WholeAnswer } from "./route.ts";
import { Surfaces } from "./surfaces.ts";
import { Sweep } from "./sweep.ts";

export interface HttpServerOptions extends ListenAddress {
  readonly clock: Clock;
  readonly routes: readonly Route[];
  /** Told of every answer above 499 and of every cut stream, once. */
  readonly report?: (error: ServingError, route: Route) => void;
  readonly limits?: Partial<HttpLimits>;
}

export interface HttpLimits {
  readonly headersMsMax: number;
  readonly requestMsMax: number;
  readonly bodyIdleMsMax: number;
  /** Of all requests that are being read, together. */
  readonly bodiesBytesMax: number;
  readonly keepAliveMs: number;
  readonly unreadMsMax: number;
  /** How exactly the times above are kept. */
  readonly sweepMs: number;
}

export const HTTP_LIMITS: HttpLimits = {
  headersMsMax: 10_000,
  requestMsMax: 300_000,
  bodyIdleMsMax: 10_000,
  bodiesBytesMax: 8 * BODY_BYTES_MAX,
  keepAliveMs: 15_000,
  unreadMsMax: 30_000,
  sweepMs: 1_000,
};

export interface HttpServer extends AsyncDisposable {
  readonly port: number;
  /** Takes no new connections, ends idle ones, and gives what runs `graceMs` to finish. Waits until all are gone. */
  close(graceMs: number): Promise<void>;
}

/** Until credentials are asked for, everybody is this tenant. */
const PUBLIC_TENANT = "public";

const HEADERS_COUNT_MAX = 100;
const IDLE_CONNECTION_MS_MAX = 75_000;
/** What a stream gets to say that the server is stopping. */
const LAST_WORDS_MS = 500;
const COMMON_HEADERS = { "x-content-type-options": "nosniff" };
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
  readonly #onLoopback: boolean;
  readonly #report: (error: ServingError, route: Route) => void;
  #stopping = false;
  #port = 0;

  constructor({ clock, host, routes, limits, report }: HttpServerOptions) {
    this.#clock = clock;
    this.#limits = { ...HTTP_LIMITS, ...limits };
    this.#sweep = new Sweep(clock, this.#limits.sweepMs);
    this.#budget = new BodyBudget(this.#limits.bodiesBytesMax);
    this.#surfaces = new Surfaces(routes);
    this.#onLoopback = isLoopbackHost(host);
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

  async close(graceMs: number): Promise<void> {
    this.#stopping = true;
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
    const app = Fastify({
      exposeHeadRoutes: false,
      forceCloseConnections: "idle",
      return503OnClosing: false,
      keepAliveTimeout: IDLE_CONNECTION_MS_MAX,
      requestTimeout: this.#limits.requestMsMax,
      http: { headersTimeout: this.#limits.headersMsMax, connectionsCheckingInterval: this.#limits.sweepMs },
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
      this.#refuse(request.raw, reply.raw, this.#surfaces.faultOf(pathOf(request.raw.url ?? "")));
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
        if (!response.destroyed) this.#send(response, answer);
      } else {
        await writeEvents(response, { ...answer, headers: { ...this.#headers(), ...answer.headers } }, this.#limits, this.#sweep);
      }
    } catch (thrown) {
      this.#report(ServingError.from(thrown), route);
    } finally {
      this.#live.answered(raw.socket, running, response);
    }
  }

  async #answer(route: Route, raw: IncomingMessage, params: Record<string, string>, signal: AbortSignal): Promise<HttpAnswer> {
    try {
      const fault = this.#gate(raw, route);
      if (fault !== undefined) return route.errors.faulty(fault);
      let body = EMPTY_BODY;
      if (route.body.kind === "bytes") {
        const limits = { bytesMax: route.body.bytesMax, idleMsMax: this.#limits.bodyIdleMsMax, budget: this.#budget };
        const outcome = await readBody(raw, limits, this.#sweep);
        if (outcome.kind === "fault") return route.errors.faulty(outcome.fault);
        body = outcome.body;
      }
      const query = raw.url?.indexOf("?") ?? -1;
      const request: HttpRequest = {
        param: (name) => params[name] ?? "",
        query: query === -1 ? NO_QUERY : new URLSearchParams(raw.url?.slice(query)),
        body,
        tenant: PUBLIC_TENANT,
        signal,
        stopping: this.#stopping,
        get fromLoopback() {
          return isLoopbackHost(raw.socket.remoteAddress ?? "");
        },
        header: (name) => headerOf(raw, name),
        headers: () => headerPairs(raw.rawHeaders),
      };
      return await route.handle(request);
    } catch (thrown) {
      const error = ServingError.from(thrown);
      const answer = route.errors.failed(error);
      if (answer.status > 499) this.#report(error, route);
      return answer;
    }
  }

  #gate(raw: IncomingMessage, route: Route | undefined): HttpFault | undefined {
    if (raw.rawHeaders.length > 2 * HEADERS_COUNT_MAX) {
      return { kind: "refused", status: 431, message: `more than ${HEADERS_COUNT_MAX} headers` };
    }
    if (this.#onLoopback && !knownHost(raw.headers.host)) {
      return { kind: "refused", status: 421, message: "unknown Host: this server answers to localhost and its addresses only" };
    }
    const changes = raw.method !== "GET" && (this.#onLoopback || route?.access === "control");
    if (changes && !sameOrigin(raw.headers.origin, raw.headers.host)) {
      return { kind: "refused", status: 403, message: "requests from pages of other origins are refused" };
    }
    return undefined;
  }

  #refuse(raw: IncomingMessage, response: ServerResponse, fault: HttpFault): void {
    const shape = this.#surfaces.shapeOf(pathOf(raw.url ?? ""));
    this.#send(response, shape.faulty(this.#gate(raw, undefined) ?? fault));
  }

  #send(response: ServerResponse, answer: WholeAnswer): void {
    const length = Buffer.byteLength(answer.body);
    response.writeHead(answer.status, { ...this.#headers(), "cache-control": "no-store", "content-length": length, ...answer.headers });
    response.end(answer.body);
  }

  #headers(): Record<string, string> {
    return this.#stopping ? { ...COMMON_HEADERS, connection: "close" } : COMMON_HEADERS;
  }

  /** Bytes that are no HTTP, or come too slowly. Nothing can be said when an answer is on its way already. */
  #refuseBytes(error: Error & { code?: string }, socket: Socket): void {
    if (!socket.writable || this.#live.on(socket)) {
      socket.destroy();
      return;
    }
    const [line, message] = BYTE_FAULTS[error.code ?? ""] ?? ["400 Bad Request", "the request is not HTTP/1.1"];
    const body = JSON.stringify({ error: message });
    const head = `HTTP/1.1 ${line}\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n`;
    socket.write(head + body);
    socket.destroySoon();
  }
}

const BYTE_FAULTS: Readonly<Record<string, readonly [line: string, message: string]>> = {
  HPE_HEADER_OVERFLOW: ["431 Request Header Fields Too Large", "the headers exceed 16 KiB"],
  ERR_HTTP_REQUEST_TIMEOUT: ["408 Request Timeout", "the request did not arrive in time"],
};

function headerOf(raw: IncomingMessage, name: string): string | undefined {
  const value = raw.headers[name];
  return Array.isArray(value) ? value.join(", ") : value;
}

/** @param flat names and values in turn, as Node has them */
function headerPairs(flat: readonly string[]): readonly (readonly [name: string, value: string])[] {
  return flat.flatMap((name, index) => (index % 2 === 0 ? [[name, flat[index + 1] ?? ""] as const] : []));
}
