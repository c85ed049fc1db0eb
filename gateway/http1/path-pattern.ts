/** Path patterns of routes, `/models/{name}/ready`: to tell a wrong method from a wrong path. Pure. */

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
