/** Errors as Triton's HTTP endpoint writes them. The only place where codes become its statuses. Pure. */
import type { ErrorCode, ServingError } from "../../core/errors.ts";
import { jsonAnswer, retryAfter } from "../http/answer.ts";
import type { ErrorShape, HttpFault, WholeAnswer } from "../http/route.ts";

const STATUS = {
  CANCELLED: 400,
  UNKNOWN: 400,
  INVALID_ARGUMENT: 400,
  DEADLINE_EXCEEDED: 504,
  NOT_FOUND: 404,
  ALREADY_EXISTS: 400,
  PERMISSION_DENIED: 403,
  RESOURCE_EXHAUSTED: 429,
  FAILED_PRECONDITION: 400,
  ABORTED: 409,
  OUT_OF_RANGE: 400,
  UNIMPLEMENTED: 501,
  INTERNAL: 500,
  UNAVAILABLE: 503,
  DATA_LOSS: 500,
  UNAUTHENTICATED: 401,
} as const satisfies Record<ErrorCode, number>;

const RETRY_SOON = { "retry-after": "1" };

export function tritonError(status: number, message: string, headers: Readonly<Record<string, string>> = {}): WholeAnswer {
  return jsonAnswer(status, { error: message }, headers);
}

function failed(error: ServingError): WholeAnswer {
  const status = STATUS[error.code];
  if (error.retryAfterMs !== undefined) return tritonError(status, error.message, retryAfter(error.retryAfterMs));
  return tritonError(status, error.message, status === 429 || status === 503 ? RETRY_SOON : {});
}

/** A body over the limit is 400 here, as it is in Triton. */
function faulty(fault: HttpFault): WholeAnswer {
  switch (fault.kind) {
    case "not-found":
      return tritonError(404, "Not Found");
    case "method-not-allowed":
      return tritonError(405, "Method Not Allowed", { allow: fault.allowed.join(", ") });
    case "body-too-large": {
      const size = fault.bytes === undefined ? "request JSON size" : `request JSON size of ${fault.bytes} bytes`;
      const remedy = "Use --http-max-input-size to increase the limit.";
      return tritonError(400, `${size} exceeds the maximum allowed input size of ${fault.bytesMax} bytes. ${remedy}`);
    }
    case "refused":
      return tritonError(fault.status, fault.message, fault.status === 503 ? RETRY_SOON : {});
  }
}

export const tritonErrors: ErrorShape = { prefix: "", failed, faulty };
