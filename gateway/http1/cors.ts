/** Cross-origin resource sharing: which pages of other origins may call, and what their browsers are told (fetch.spec.whatwg.org). Pure. */

import type { HttpMethod, WholeAnswer } from "../http/route.ts";
import type { FieldList } from "./field-list.ts";

/** What pages may read of an answer besides its body. */
const EXPOSED = "inference-header-content-length, x-request-id, x-nereid-generation, x-nereid-route, retry-after, www-authenticate";
const PREFLIGHT_SECONDS = "600";
/** Names of headers, with commas between them. */
const HEADER_NAMES = /^[\w!#$%&'*+.^`|~, -]{0,1024}$/;

const NONE: Readonly<Record<string, string>> = {};

export class Cors {
  readonly #named: ReadonlySet<string>;
  readonly #any: boolean;

  /** @param origins such as `https://app.example`; `*` is any; none: browsers are told nothing */
  constructor(origins: readonly string[]) {
    this.#any = origins.includes("*");
    this.#named = new Set(origins.map((origin) => origin.toLowerCase()));
  }

  /** Whether an origin is named: `*` opens what anybody may ask, and no control. */
  names(origin: string): boolean {
    return this.#named.has(origin.toLowerCase());
  }

  allows(origin: string): boolean {
    return this.#any || this.names(origin);
  }

  /** For every answer. Credentials are keys in a header that the page has to know, never cookies. */
  headers(origin: string | undefined): Readonly<Record<string, string>> {
    if (origin === undefined || !this.allows(origin)) return NONE;
    return { "access-control-allow-origin": this.#any ? "*" : origin, "access-control-expose-headers": EXPOSED, vary: "Origin" };
  }

  /** The answer to a browser that asks before it calls; undefined when it may not, or did not ask. */
  preflight(asked: Pick<FieldList, "get">, methods: readonly HttpMethod[]): WholeAnswer | undefined {
    const [origin, method] = [asked.get("origin"), asked.get("access-control-request-method")];
    const names = asked.get("access-control-request-headers") ?? "";
    if (origin === undefined || method === undefined || !this.allows(origin) || methods.length === 0) return undefined;
    const headers = {
      "access-control-allow-methods": methods.join(", "),
      "access-control-allow-headers": HEADER_NAMES.test(names) ? names : "",
      "access-control-max-age": PREFLIGHT_SECONDS,
    };
    return { kind: "whole", status: 204, headers, body: "" };
  }
}
