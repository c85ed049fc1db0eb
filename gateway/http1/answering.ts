/** Finds who answers a request, lets it in or refuses it, and has the answer written. */
import { ServingError } from "../../core/errors.ts";
import { askedExplanation } from "../access/asked-explanation.ts";
import type { Guard } from "../access/guard.ts";
import type { HttpAnswer, HttpFault, Route, WholeAnswer } from "../http/route.ts";
import { withMoves } from "../http/told-moves.ts";
import type { Sweep } from "../sockets/sweep.ts";
import type { Connection } from "./connection.ts";
import type { Cors } from "./cors.ts";
import { EVENT_HEADERS, writeEvents } from "./event-stream.ts";
import type { Exchange } from "./exchange.ts";
import { Surfaces } from "./surfaces.ts";

export interface AnsweringOptions {
  readonly routes: readonly Route[];
  readonly cors: Cors;
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
  readonly #surfaces: Surfaces;

  constructor(options: AnsweringOptions) {
    this.#options = options;
    this.#surfaces = new Surfaces(options.routes);
  }

  /** @returns whether its body is wanted: `run` is to follow when that is here */
  begin(exchange: Exchange, connection: Connection): boolean {
    const { route } = exchange;
    if (route === undefined) {
      this.#unrouted(exchange, connection);
      return false;
    }
    const refusal = this.#refusal(exchange, route);
    if (refusal !== undefined) this.#send(exchange, connection, refusal);
    else if (route.body === "bytes") return true;
    else this.run(exchange, connection);
    return false;
  }

  run(exchange: Exchange, connection: Connection): void {
    const { route } = exchange;
    if (route !== undefined) void this.#run(route, exchange, connection);
  }

  /** Answers what HTTP itself finds wrong with a request that has a route. */
  refuse(exchange: Exchange, connection: Connection, fault: HttpFault): void {
    const { route } = exchange;
    if (route !== undefined) this.#send(exchange, connection, route.errors.faulty(fault));
  }

  /** Before its body is read. */
  #refusal(exchange: Exchange, route: Route): WholeAnswer | undefined {
    const { fault } = exchange.addressed;
    if (fault !== undefined) return route.errors.faulty(fault);
    try {
      const { tenant, key, budget } = this.#options.guard.admit(route, exchange);
      exchange.tenant = tenant;
      exchange.key = key;
      exchange.budget = budget;
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
    const { explanation } = exchange;
    await writeEvents(connection, explanation === undefined ? frames : withMoves(frames, explanation), this.#options);
  }

  #failed(thrown: unknown, route: Route): WholeAnswer {
    const error = ServingError.from(thrown);
    const answer = route.errors.failed(error);
    if (answer.status > 499) this.#options.report(error, route);
    return error.code === "UNAUTHENTICATED" ? { ...answer, headers: { ...answer.headers, ...CHALLENGE } } : answer;
  }

  /** A browser that asks what it may do has no route either. */
  #unrouted(exchange: Exchange, connection: Connection): void {
    const { head, path, found, fault: refused } = exchange.addressed;
    const { fields, method } = head;
    const fault = found === "malformed" ? MALFORMED : this.#surfaces.faultOf(path);
    const asks = method === "OPTIONS" && fault.kind === "method-not-allowed" && refused === undefined;
    const preflight = asks ? this.#options.cors.preflight(fields, fault.allowed) : undefined;
    this.#send(exchange, connection, preflight ?? this.#surfaces.shapeOf(path).faulty(refused ?? fault));
  }

  #send(exchange: Exchange, connection: Connection, answer: WholeAnswer): void {
    connection.send(exchange, answer, this.#extra(exchange));
  }

  /** For pages of other origins, for API keys that have limits, and for who asks where a request went. */
  #extra({ addressed: { pageHeaders }, budget, explanation }: Exchange): Readonly<Record<string, string>> | undefined {
    if (budget === undefined && explanation === undefined) return pageHeaders;
    return { ...pageHeaders, ...budget?.headers(), ...explanation?.headers() };
  }
}
