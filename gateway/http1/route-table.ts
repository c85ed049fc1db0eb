/** Finds the route of a method and a path. Paths are compared as clients write them; only parameters are percent-decoded. Pure. */
import type { Route } from "../http/route.ts";

/** Longer parameters are no names of anything. */
const PARAMETER_LENGTH_MAX = 1024;
const PARAMETER = /^\{(\w+)\}$/;

export interface FoundRoute {
  readonly route: Route;
  /** By the names that the pattern gives them. */
  readonly params: Readonly<Record<string, string>>;
}

interface Branch {
  readonly fixed: Map<string, Branch>;
  parameter: Branch | undefined;
  readonly routes: Map<string, { readonly route: Route; readonly names: readonly string[] }>;
}

const newBranch = (): Branch => ({ fixed: new Map(), parameter: undefined, routes: new Map() });

export class RouteTable {
  readonly #root = newBranch();

  constructor(routes: readonly Route[]) {
    for (const route of routes) {
      const names: string[] = [];
      let branch = this.#root;
      for (const segment of route.path.split("/")) {
        const name = PARAMETER.exec(segment)?.[1];
        if (name === undefined) {
          branch = fixedBranch(branch, segment);
        } else {
          names.push(name);
          branch.parameter ??= newBranch();
          branch = branch.parameter;
        }
      }
      branch.routes.set(route.method, { route, names });
    }
  }

  /** @returns undefined when no route takes it; `malformed` when one would, but for its percent-encoding */
  find(method: string, path: string): FoundRoute | undefined | "malformed" {
    const values: string[] = [];
    const found = follow(this.#root, method, path, 0, values)?.routes.get(method);
    if (found === undefined) return undefined;
    const params: Record<string, string> = {};
    for (const [index, name] of found.names.entries()) {
      const value = decoded(values[index] ?? "");
      if (value === undefined) return "malformed";
      params[name] = value;
    }
    return { route: found.route, params };
  }
}

function fixedBranch(branch: Branch, segment: string): Branch {
  const next = branch.fixed.get(segment) ?? newBranch();
  branch.fixed.set(segment, next);
  return next;
}

/** A fixed segment goes before a parameter where both lead to a route of the method. */
function follow(branch: Branch, method: string, path: string, start: number, values: string[]): Branch | undefined {
  const slash = path.indexOf("/", start);
  const segment = path.slice(start, slash === -1 ? path.length : slash);
  const next = (into: Branch) =>
    slash === -1 ? (into.routes.has(method) ? into : undefined) : follow(into, method, path, slash + 1, values);
  const fixed = branch.fixed.get(segment);
  const found = fixed === undefined ? undefined : next(fixed);
  if (found !== undefined) return found;
  if (branch.parameter === undefined || segment === "" || segment.length > PARAMETER_LENGTH_MAX) return undefined;
  const before = values.length;
  values.push(segment);
  const behind = next(branch.parameter);
  if (behind === undefined) values.length = before;
  return behind;
}

function decoded(segment: string): string | undefined {
  if (!segment.includes("%")) return segment;
  try {
    return decodeURIComponent(segment);
  } catch {
    return undefined;
  }
}
