/** What every failed call throws: gRPC's code by name, whichever protocol was spoken, and the number that the server sent. */
import { ERROR_CODES, type ErrorCode, ServingError } from "../core/errors.ts";

export interface ClientErrorOptions {
  /** The HTTP status or gRPC's status number; undefined: no answer came. */
  readonly status?: number | undefined;
  readonly cause?: unknown;
}

/** A call that failed. `code` is the same over HTTP and gRPC; `message` is the server's own text where it sent one. */
export class ClientError extends ServingError {
  readonly status: number | undefined;

  constructor(code: ErrorCode, message: string, { status, cause }: ClientErrorOptions = {}) {
    super(code, message, { cause });
    this.name = "ClientError";
    this.status = status;
  }
}

/** What a caller asks for that cannot be sent. */
export function unsendable(message: string): ClientError {
  return new ClientError("INVALID_ARGUMENT", message);
}

/** An answer that does not say what the protocol promises. */
export function unreadable(message: string, cause?: unknown): ClientError {
  return new ClientError("INTERNAL", `the server's answer cannot be read: ${message}`, { cause });
}

/** Why a call ended before its answer: the caller's signal (CANCELLED, its reason as cause) or the time limit. */
export function stopped(reason: unknown): ClientError {
  if (reason instanceof ServingError) return new ClientError(reason.code, reason.message, { cause: reason });
  return new ClientError("CANCELLED", "the call was canceled", { cause: reason });
}

/** Statuses of the HTTP protocol by what they mean; others by their class. Source: gateway/kserve/errors.ts and RFC 9110. */
const CODE_OF_HTTP: Readonly<Record<number, ErrorCode>> = {
  400: "INVALID_ARGUMENT",
  401: "UNAUTHENTICATED",
  403: "PERMISSION_DENIED",
  404: "NOT_FOUND",
  405: "UNIMPLEMENTED",
  409: "ABORTED",
  413: "RESOURCE_EXHAUSTED",
  429: "RESOURCE_EXHAUSTED",
  499: "CANCELLED",
  500: "INTERNAL",
  501: "UNIMPLEMENTED",
  502: "UNAVAILABLE",
  503: "UNAVAILABLE",
  504: "DEADLINE_EXCEEDED",
};

export function codeOfHttpStatus(status: number): ErrorCode {
  return CODE_OF_HTTP[status] ?? (status < 500 ? "INVALID_ARGUMENT" : "INTERNAL");
}

/** gRPC numbers its codes from CANCELLED = 1 on. */
export function codeOfGrpcStatus(status: number): ErrorCode {
  return ERROR_CODES[status - 1] ?? "UNKNOWN";
}
