/** Which API speaks for a path that no route matches, and which methods the path would take. Pure. */
import { jsonAnswer } from "../http/answer.ts";
import type { ErrorShape, HttpFault, HttpMethod, Route } from "../http/route.ts";
import { pathMatcher } from "./path-pattern.ts";

/** For servers none of whose doors claims every path. */
const PLAIN: ErrorShape = {
  prefix: "",
  failed: (error) => jsonAnswer(500, { error: error.message }),
  faulty: (fault) => jsonAnswer(fault.kind === "refused" ? fault.status : 404, { error: "Not Found" }),
};

export class Surfaces {
  /** The longest prefix first. */
  readonly #shapes: readonly ErrorShape[];
  readonly #routes: readonly { readonly method: HttpMethod; readonly matcher: RegExp }[];

  constructor(routes: readonly Route[]) {
    const shapes = new Set([...routes.map((route) => route.errors), PLAIN]);
    this.#shapes = [...shapes].toSorted((a, b) => b.prefix.length - a.prefix.length);
    this.#routes = routes.map(({ method, path }) => ({ method, matcher: pathMatcher(path) }));
  }

  shapeOf(path: string): ErrorShape {
    return this.#shapes.find(({ prefix }) => path === prefix || prefix === "" || path.startsWith(`${prefix}/`)) ?? PLAIN;
  }

  /** What is wrong with a request that no route takes. */
  faultOf(path: string): HttpFault {
    const allowed = this.#routes.filter(({ matcher }) => matcher.test(path)).map(({ method }) => method);
    return allowed.length === 0 ? { kind: "not-found" } : { kind: "method-not-allowed", allowed };
  }
}
