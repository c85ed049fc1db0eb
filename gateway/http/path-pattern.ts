/** Path patterns of routes, `/models/{name}/ready`: for the router, and to tell a wrong method from a wrong path. Pure. */

/** The pattern as find-my-way, Fastify's router, writes it. */
export function routerPath(pattern: string): string {
  return pattern.replace(/\{(\w+)\}/g, ":$1");
}

/** Matches the path of a URL, still percent-encoded. Linear: a segment never crosses a slash. */
export function pathMatcher(pattern: string): RegExp {
  const source = pattern
    .split("/")
    .map((segment) => (/^\{\w+\}$/.test(segment) ? "[^/]+" : RegExp.escape(segment)))
    .join("/");
  return new RegExp(`^${source}$`);
}

/** The path of a request target: what stands before the query. */
export function pathOf(target: string): string {
  const query = target.indexOf("?");
  return query === -1 ? target : target.slice(0, query);
}
