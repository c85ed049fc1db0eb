/** Errors as OpenAI's API writes them. The only place where codes become its statuses and types. Pure. */
import { type ErrorCode, POISON_REQUEST, type ServingError } from "../../core/errors.ts";
import { jsonAnswer, retryAfter } from "../http/answer.ts";
import type { ErrorShape, HttpFault, WholeAnswer } from "../http/route.ts";

interface ErrorKind {
  readonly status: number;
  readonly type: string;
}

const KINDS = {
  CANCELLED: { status: 499, type: "invalid_request_error" },
  UNKNOWN: { status: 500, type: "server_error" },
  INVALID_ARGUMENT: { status: 400, type: "invalid_request_error" },
  DEADLINE_EXCEEDED: { status: 504, type: "server_error" },
  NOT_FOUND: { status: 404, type: "not_found_error" },
  ALREADY_EXISTS: { status: 409, type: "invalid_request_error" },
  PERMISSION_DENIED: { status: 403, type: "permission_error" },
  RESOURCE_EXHAUSTED: { status: 429, type: "rate_limit_error" },
  FAILED_PRECONDITION: { status: 400, type: "invalid_request_error" },
  ABORTED: { status: 409, type: "server_error" },
  OUT_OF_RANGE: { status: 400, type: "invalid_request_error" },
  UNIMPLEMENTED: { status: 501, type: "server_error" },
  INTERNAL: { status: 500, type: "server_error" },
  UNAVAILABLE: { status: 503, type: "server_error" },
  DATA_LOSS: { status: 500, type: "server_error" },
  UNAUTHENTICATED: { status: 401, type: "authentication_error" },
} as const satisfies Record<ErrorCode, ErrorKind>;

/** What OpenAI's SDKs obey: when to come back, and when not to. */
const RETRY_SOON = { "retry-after": "1" };
const NEVER_RETRY = { "x-should-retry": "false" };

/** `param` and `code` are null where there is none: OpenAI's clients expect the keys. */
export interface ErrorBody {
  readonly error: { readonly message: string; readonly type: string; readonly param: string | null; readonly code: string | null };
}

export function errorBody(error: ServingError): ErrorBody {
  return { error: { message: error.message, type: KINDS[error.code].type, param: error.param ?? null, code: error.reason ?? null } };
}

/** A failure after the stream has begun. */
export function errorFrame(error: ServingError): string {
  return `data: ${JSON.stringify(errorBody(error))}\n\n`;
}

function retryHeaders(error: ServingError): Readonly<Record<string, string>> {
  if (error.code === "UNIMPLEMENTED" || error.code === "DATA_LOSS" || error.reason === POISON_REQUEST) return NEVER_RETRY;
  if (error.retryAfterMs !== undefined) return { ...retryAfter(error.retryAfterMs), "retry-after-ms": String(error.retryAfterMs) };
  return error.code === "RESOURCE_EXHAUSTED" || error.code === "UNAVAILABLE" ? RETRY_SOON : {};
}

function refusal(status: number, message: string, code: string | null, headers: Readonly<Record<string, string>> = {}): WholeAnswer {
  const type = status >= 500 ? "server_error" : status === 404 ? "not_found_error" : "invalid_request_error";
  return jsonAnswer(status, { error: { message, type, param: null, code } } satisfies ErrorBody, headers);
}

function faulty(fault: HttpFault): WholeAnswer {
  switch (fault.kind) {
    case "not-found":
      return refusal(404, "no such path: see GET /v1/models and POST /v1/chat/completions", "unknown_url");
    case "method-not-allowed":
      return refusal(405, `this path takes ${fault.allowed.join(", ")} only`, "method_not_allowed", { allow: fault.allowed.join(", ") });
    case "body-too-large": {
      const size = fault.bytes === undefined ? "the request body" : `the request body of ${fault.bytes} bytes`;
      return refusal(413, `${size} exceeds the limit of ${fault.bytesMax} bytes`, "request_too_large");
    }
    case "refused":
      return refusal(fault.status, fault.message, null, fault.status === 503 ? RETRY_SOON : {});
  }
}

export const openaiErrors: ErrorShape = {
  prefix: "/v1",
  failed: (error) => jsonAnswer(KINDS[error.code].status, errorBody(error), retryHeaders(error)),
  faulty,
};
