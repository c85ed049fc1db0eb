/** A failure as Triton writes it where a text must say its kind, too: `Internal: no such file`. Source: Status::AsString of its core. Pure. */
import type { ErrorCode, ServingError } from "../errors.ts";

const NAMES: Readonly<Record<ErrorCode, string>> = {
  CANCELLED: "Cancelled",
  UNKNOWN: "Unknown",
  INVALID_ARGUMENT: "Invalid argument",
  DEADLINE_EXCEEDED: "Unavailable",
  NOT_FOUND: "Not found",
  ALREADY_EXISTS: "Already exists",
  PERMISSION_DENIED: "Unavailable",
  RESOURCE_EXHAUSTED: "Unavailable",
  FAILED_PRECONDITION: "Invalid argument",
  ABORTED: "Unavailable",
  OUT_OF_RANGE: "Invalid argument",
  UNIMPLEMENTED: "Unsupported",
  INTERNAL: "Internal",
  UNAVAILABLE: "Unavailable",
  DATA_LOSS: "Internal",
  UNAUTHENTICATED: "Unavailable",
};

export const statusText = ({ code, message }: ServingError): string => `${NAMES[code]}: ${message}`;
