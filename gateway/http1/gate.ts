/** What is refused before a route or its handler is asked: too many headers, foreign hosts, pages of foreign origins. Pure. */
import type { AccessClass } from "../access/access.ts";
import { isLoopbackHost, knownHost, sameOrigin } from "../access/host-check.ts";
import type { HttpFault } from "../http/route.ts";
import type { Cors } from "./cors.ts";

const HEADERS_COUNT_MAX = 100;

/** What the gate looks at. */
export interface Incoming {
  readonly method: string | undefined;
  readonly host: string | undefined;
  readonly origin: string | undefined;
  readonly headersCount: number;
}

export class Gate {
  readonly #onLoopback: boolean;
  readonly #cors: Cors;

  /** @param host the address that the server is bound to */
  constructor(host: string, cors: Cors) {
    this.#onLoopback = isLoopbackHost(host);
    this.#cors = cors;
  }

  /** @param access the route's; undefined: no route takes the request */
  refusal({ method, host, origin, headersCount }: Incoming, access: AccessClass | undefined): HttpFault | undefined {
    if (headersCount > HEADERS_COUNT_MAX) return { kind: "refused", status: 431, message: `more than ${HEADERS_COUNT_MAX} headers` };
    if (this.#onLoopback && !knownHost(host)) {
      return { kind: "refused", status: 421, message: "unknown Host: this server answers to localhost and its addresses only" };
    }
    if (origin === undefined || sameOrigin(origin, host)) return undefined;
    const isOpen = access === "control" ? this.#cors.names(origin) : this.#cors.allows(origin);
    const changes = method !== "GET" && method !== "OPTIONS" && (this.#onLoopback || access === "control");
    if (!changes || isOpen) return undefined;
    return { kind: "refused", status: 403, message: "requests from pages of other origins are refused: --cors-origins lets them in" };
  }
}
