/** Makes the KServe door's routes: its errors, its limits, its two methods. Pure. */
import type { Access } from "../access/access.ts";
import type { HttpAnswer, HttpRequest, Route } from "../http/route.ts";
import { tritonErrors } from "./errors.ts";

export type Handler = (request: HttpRequest) => HttpAnswer | Promise<HttpAnswer>;

export function get(path: string, access: Access, handle: Handler): Route {
  return { method: "GET", path, ...access, body: "none", errors: tritonErrors, handle };
}

export function post(path: string, access: Access, handle: Handler): Route {
  return { method: "POST", path, ...access, body: "bytes", errors: tritonErrors, handle };
}

/** With and without a version in the path. */
export function ofModel(rest: string, route: (path: string) => Route): readonly Route[] {
  return [route(`/v2/models/{model}${rest}`), route(`/v2/models/{model}/versions/{version}${rest}`)];
}
