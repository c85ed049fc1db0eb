/** The one error class of Nereid: gRPC's sixteen codes, a message for the client and a machine-readable reason. Pure. */

/** gRPC's status codes but OK, by name. Source: grpc/grpc doc/statuscodes.md. */
export const ERROR_CODES = [
  "CANCELLED",
  "UNKNOWN",
  "INVALID_ARGUMENT",
  "DEADLINE_EXCEEDED",
  "NOT_FOUND",
  "ALREADY_EXISTS",
  "PERMISSION_DENIED",
  "RESOURCE_EXHAUSTED",
  "FAILED_PRECONDITION",
  "ABORTED",
  "OUT_OF_RANGE",
  "UNIMPLEMENTED",
  "INTERNAL",
  "UNAVAILABLE",
  "DATA_LOSS",
  "UNAUTHENTICATED",
] as const;

export type ErrorCode = (typeof ERROR_CODES)[number];

/** The reason of an INTERNAL error: the request ends the processes that run it, wherever it is tried. */
export const POISON_REQUEST = "poison_request";

/** The connection to the node that had taken the request is gone: what became of it is not known. */
export const LINK_LOST = "link_lost";

export interface ServingErrorOptions {
  readonly cause?: unknown;
  /** What a program may branch on, such as `model_not_found`; stable, unlike the message. */
  readonly reason?: string;
  /** The request field that is wrong, such as `messages`. */
  readonly param?: string;
  /** When it is worth to try again, where that is known; milliseconds. */
  readonly retryAfterMs?: number;
}

/** A failure that a client is told about. The message names the thing, the limit and the remedy. */
export class ServingError extends Error {
  readonly code: ErrorCode;
  readonly reason: string | undefined;
  readonly param: string | undefined;
  readonly retryAfterMs: number | undefined;

  constructor(code: ErrorCode, message: string, options: ServingErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "ServingError";
    this.code = code;
    this.reason = options.reason;
    this.param = options.param;
    this.retryAfterMs = options.retryAfterMs;
  }

  /** The funnel for anything thrown: a ServingError stays itself, everything else is INTERNAL with the origin as cause. */
  static from(thrown: unknown): ServingError {
    if (thrown instanceof ServingError) return thrown;
    if (thrown instanceof Error && thrown.name === "AbortError")
      return new ServingError("CANCELLED", "the request was canceled", { cause: thrown });
    return new ServingError("INTERNAL", "internal error", { cause: thrown });
  }
}

export function isErrorCode(text: unknown): text is ErrorCode {
  return ERROR_CODES.some((code) => code === text);
}

/** @throws Error when `condition` is false: a bug of ours, never a client's fault. */
export function assert(condition: boolean, message: string): asserts condition {
  if (!condition) throw new Error(`assertion failed: ${message}`);
}
