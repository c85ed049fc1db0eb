/** A request on a connection, and its answer: what a handler sees of the one, and how the other is written. */
import type { Socket } from "node:net";
import type { ServingError } from "../../core/errors.ts";
import { isLoopbackHost } from "../access/host-check.ts";
import { type Body, EMPTY_BODY } from "../http/body.ts";
import type { HttpRequest, Route } from "../http/route.ts";
import type { KeyBudget } from "../quotas/budgets.ts";
import type { RouteExplanation } from "../routing/route-explanation.ts";
import type { Addressed } from "./addressed.ts";
import type { RequestHead } from "./request-head.ts";

/** The server, as its exchanges see it. */
export interface ExchangeHost {
  readonly limits: { readonly bodyBytesMax: number };
  readonly stopping: boolean;
}

const NO_QUERY = new URLSearchParams();

export class Exchange implements HttpRequest {
  readonly #host: ExchangeHost;
  readonly #socket: Socket;
  readonly addressed: Addressed;
  readonly arrivedMs: number;
  body: Body = EMPTY_BODY;
  tenant = "";
  key: string | undefined;
  budget: KeyBudget | undefined;
  explanation: RouteExplanation | undefined;
  #traceparent: string | undefined;
  #abort: AbortController | undefined;
  #aborted: ServingError | undefined;

  constructor(host: ExchangeHost, socket: Socket, addressed: Addressed, arrivedMs: number) {
    this.#host = host;
    this.#socket = socket;
    this.addressed = addressed;
    this.arrivedMs = arrivedMs;
  }

  get head(): RequestHead {
    return this.addressed.head;
  }

  /** Which answers it; undefined: none does. */
  get route(): Route | undefined {
    const { found } = this.addressed;
    return typeof found === "object" ? found.route : undefined;
  }

  get bodyBytesMax(): number {
    return this.#host.limits.bodyBytesMax;
  }

  get stopping(): boolean {
    return this.#host.stopping;
  }

  get query(): URLSearchParams {
    const { head, path } = this.addressed;
    return path.length === head.target.length ? NO_QUERY : new URLSearchParams(head.target.slice(path.length));
  }

  get fromLoopback(): boolean {
    return isLoopbackHost(this.#socket.remoteAddress ?? "");
  }

  /** Made when somebody asks for it: many handlers answer at once. */
  get signal(): AbortSignal {
    if (this.#abort === undefined) {
      this.#abort = new AbortController();
      if (this.#aborted !== undefined) this.#abort.abort(this.#aborted);
    }
    return this.#abort.signal;
  }

  abort(reason: ServingError): void {
    this.#aborted ??= reason;
    this.#abort?.abort(reason);
  }

  param(name: string): string {
    const { found } = this.addressed;
    return (typeof found === "object" && found.params[name]) || "";
  }

  header(name: string): string | undefined {
    return name === "traceparent" && this.#traceparent !== undefined ? this.#traceparent : this.head.fields.get(name);
  }

  headers(): readonly (readonly [name: string, value: string])[] {
    return this.head.fields.pairs();
  }

  belongTo(traceparent: string): void {
    this.#traceparent = traceparent;
  }
}
