/** The small JSON bodies of control requests. */
import { type Body, wholeBody } from "../../http/body.ts";
import { scanJson } from "./json-scanner.ts";
import { bytesAsText, type JsonValue } from "./json-value.ts";

/** @throws ServingError INTERNAL with RapidJSON's text; an empty body is no JSON either */
export function requestJson({ body }: { readonly body: Body }): JsonValue {
  return scanJson(bytesAsText(wholeBody(body)));
}

/** As `requestJson`, for requests whose body may be left out: undefined then. */
export function optionalJson(request: { readonly body: Body }): JsonValue | undefined {
  return request.body.byteLength === 0 ? undefined : requestJson(request);
}
