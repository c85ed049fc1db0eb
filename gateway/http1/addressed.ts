/** What follows from a request's head alone: who answers it, and what is wrong with it before anybody does. Pure. */

import type { HttpFault } from "../http/route.ts";
import type { Cors } from "./cors.ts";
import type { Gate } from "./gate.ts";
import { pathOf } from "./path-pattern.ts";
import type { RequestHead } from "./request-head.ts";
import type { FoundRoute, RouteTable } from "./route-table.ts";

export interface Addressed {
  readonly head: RequestHead;
  /** Of the target, still percent-encoded. */
  readonly path: string;
  readonly found: FoundRoute | "malformed" | undefined;
  /** Why it is refused, whatever its route. */
  readonly fault: HttpFault | undefined;
  /** What a page of another origin is told with the answer. */
  readonly pageHeaders: Readonly<Record<string, string>> | undefined;
}

export class Addressing {
  readonly #table: RouteTable;
  readonly #gate: Gate;
  readonly #cors: Cors;

  constructor(table: RouteTable, gate: Gate, cors: Cors) {
    this.#table = table;
    this.#gate = gate;
    this.#cors = cors;
  }

  of(head: RequestHead): Addressed {
    const { method, target, fields } = head;
    const path = pathOf(target);
    const origin = fields.get("origin");
    const found = this.#table.find(method, path);
    const access = typeof found === "object" ? found.route.access : undefined;
    const fault = this.#gate.refusal({ method, host: fields.get("host"), origin, headersCount: fields.size }, access);
    return { head, path, found, fault, pageHeaders: origin === undefined ? undefined : this.#cors.headers(origin) };
  }
}
