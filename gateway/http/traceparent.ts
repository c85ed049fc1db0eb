/** The trace that a request belongs to (W3C Trace Context). Pure. */
import type { HttpRequest } from "./route.ts";

const TRACEPARENT = /^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/;

/** Empty when there is none, or none that is well-formed. */
export function traceparentOf(request: Pick<HttpRequest, "header">): string {
  const value = request.header("traceparent") ?? "";
  return TRACEPARENT.test(value) ? value : "";
}
