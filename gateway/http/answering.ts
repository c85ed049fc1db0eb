/** Finds who answers a request, lets it in or refuses it, and has the answer written. */
import { ServingError } from "../../core/errors.ts";
import { askedExplanation } from "../access/asked-explanation.ts";
import type { Guard } from "../access/guard.ts";
import type { Connection } from "./connection.ts";
import type { Cors } from "./cors.ts";
import { EVENT_HEADERS, writeEvents } from "./event-stream.ts";
import type { Exchange } from "./exchange.ts";
import type { Gate } from "./gate.ts";
import type { HttpAnswer, HttpFault, Route, WholeAnswer } from "./route.ts";
import { RouteTable } from "./route-table.ts";
import { Surfaces } from "./surfaces.ts";
import type { Sweep } from "./sweep.ts";

export interface AnsweringOptions {
  readonly routes: readonly Route[];
  readonly cors: Cors;
  readonly gate: Gate;
  readonly guard: Guard;
  readonly sweep: Sweep;
  /** A comment is sent after so long a silence of a stream. */
  readonly keepAliveMs: number;
  /** Told of every answer above 499 and of every cut stream, once. */
  readonly report: (error: ServingError, route: Route) => void;
}

const CHALLENGE = { "www-authenticate": "Bearer" };
const MALFORMED: HttpFault = { kind: "refused", status: 400, message: "the path is malformed" };

export class Answering {
  readonly #options: AnsweringOptions;
  readonly #table: RouteTable;
  readonly #surfaces: Surfaces;

  constructor(options: AnsweringOptions) {
    this.#options = options;
    this.#table = new RouteTable(options.routes);
    this.#surfaces = new Surfaces(options.routes);
  }

  /** @returns whether its body is wanted: `run` is to follow when that is here */
  begin(exchange: Exchange, connection: Connection): boolean {
    const found = this.#table.find(exchange.head.method, exchange.path);
    if (found === undefined || found === "malformed") {
      this.#unrouted(exchange, connection, found);
      return false;
    }
    const { route, params } = found;
    exchange.route = route;
    exchange.params = params;
    const refusal = this.#refusal(exchange, route);
    if (refusal !== undefined) this.#send(exchange, connection, refusal);
    else if (route.body === "bytes") return true;
    else this.run(exchange, connection);
    return false;
  }

  run(exchange: Exchange, connection: Connection): void {
    if (exchange.route !== undefined) void this.#run(exchange.route, exchange, connection);
  }

  /** Answers what HTTP itself finds wrong with a request that has a route. */
  refuse(exchange: Exchange, connection: Connection, fault: HttpFault): void {
    if (exchange.route !== undefined) this.#send(exchange, connection, exchange.route.errors.faulty(fault));
  }

  /** Before its body is read. */
  #refusal(exchange: Exchange, route: Route): WholeAnswer | undefined {
    const fault = this.#fault(exchange, route);
    if (fault !== undefined) return route.errors.faulty(fault);
    try {
      const { tenant, key, budget } = this.#options.guard.admit(route, exchange);
      [exchange.tenant, exchange.key, exchange.budget] = [tenant, key, budget];
      budget?.check();
      if (route.access === "inference") exchange.explanation = askedExplanation(exchange, this.#options.guard);
      return undefined;
    } catch (thrown) {
      return this.#failed(thrown, route);
    }
  }

  async #run(route: Route, exchange: Exchange, connection: Connection): Promise<void> {
    let answer: HttpAnswer;
    try {
      answer = await route.handle(exchange);
    } catch (thrown) {
      answer = this.#failed(thrown, route);
    }
    try {
      if (answer.kind === "whole") this.#send(exchange, connection, answer);
      else await this.#stream(exchange, connection, answer);
    } catch (thrown) {
      this.#options.report(ServingError.from(thrown), route);
      connection.cut();
    }
  }

  async #stream(exchange: Exchange, connection: Connection, { headers, frames }: HttpAnswer & { readonly kind: "events" }): Promise<void> {
    connection.open(exchange, { ...EVENT_HEADERS, ...headers }, this.#extra(exchange));
    await writeEvents(connection, frames, this.#options);
  }

  #failed(thrown: unknown, route: Route): WholeAnswer {
    const error = ServingError.from(thrown);
    const answer = route.errors.failed(error);
    if (answer.status > 499) this.#options.report(error, route);
    return error.code === "UNAUTHENTICATED" ? { ...answer, headers: { ...answer.headers, ...CHALLENGE } } : answer;
  }

  /** A browser that asks what it may do has no route either. */
  #unrouted(exchange: Exchange, connection: Connection, found: "malformed" | undefined): void {
    const { fields, method } = exchange.head;
    const refused = this.#fault(exchange, undefined);
    const fault = found === "malformed" ? MALFORMED : this.#surfaces.faultOf(exchange.path);
    const asks = method === "OPTIONS" && fault.kind === "method-not-allowed" && refused === undefined;
    const preflight = asks ? this.#options.cors.preflight(fields, fault.allowed) : undefined;
    this.#send(exchange, connection, preflight ?? this.#surfaces.shapeOf(exchange.path).faulty(refused ?? fault));
  }

  #fault({ head: { method, fields } }: Exchange, route: Route | undefined): HttpFault | undefined {
    const about = { method, host: fields.get("host"), origin: fields.get("origin"), headersCount: fields.size };
    return this.#options.gate.refusal(about, route?.access);
  }

  #send(exchange: Exchange, connection: Connection, answer: WholeAnswer): void {
    connection.send(exchange, answer, this.#extra(exchange));
  }

  /** For pages of other origins, for API keys that have limits, and for who asks where a request went. */
  #extra({ head, budget, explanation }: Exchange): Readonly<Record<string, string>> | undefined {
    const origin = head.fields.get("origin");
    const forPages = origin === undefined ? undefined : this.#options.cors.headers(origin);
    if (budget === undefined && explanation === undefined) return forPages;
    return { ...forPages, ...budget?.headers(), ...explanation?.headers() };
  }
}
