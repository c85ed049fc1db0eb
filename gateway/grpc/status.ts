/** Errors as gRPC writes them: the only place where codes become its numbers. Source: grpc/grpc doc/PROTOCOL-HTTP2.md. Pure. */
import type { ErrorCode, ServingError } from "../../core/errors.ts";

const STATUS = {
  CANCELLED: 1,
  UNKNOWN: 2,
  INVALID_ARGUMENT: 3,
  DEADLINE_EXCEEDED: 4,
  NOT_FOUND: 5,
  ALREADY_EXISTS: 6,
  PERMISSION_DENIED: 7,
  RESOURCE_EXHAUSTED: 8,
  FAILED_PRECONDITION: 9,
  ABORTED: 10,
  OUT_OF_RANGE: 11,
  UNIMPLEMENTED: 12,
  INTERNAL: 13,
  UNAVAILABLE: 14,
  DATA_LOSS: 15,
  UNAUTHENTICATED: 16,
} as const satisfies Record<ErrorCode, number>;

/** Clients take 8 KiB of trailers: what is longer would fail the call without a word. */
const MESSAGE_BYTES_MAX = 4096;

export type StatusTrailers = Readonly<Record<"grpc-status", string> & Partial<Record<"grpc-message", string>>>;

export const OK_TRAILERS: StatusTrailers = { "grpc-status": "0" };

export function statusTrailers({ code, message }: Pick<ServingError, "code" | "message">): StatusTrailers {
  const status = String(STATUS[code]);
  return message === "" ? { "grpc-status": status } : { "grpc-status": status, "grpc-message": percentEncoded(message) };
}

/** UTF-8 with everything percent-encoded that is not printable ASCII, and the percent sign itself. */
export function percentEncoded(message: string): string {
  if (/^[ -$&-~]{0,4096}$/.test(message)) return message;
  let text = "";
  for (const character of message.toWellFormed()) {
    const encoded = /[ -$&-~]/.test(character) ? character : encodeURIComponent(character);
    if (text.length + encoded.length > MESSAGE_BYTES_MAX) break;
    // encodeURIComponent leaves no byte outside ASCII; what it does not encode is printable
    text += encoded;
  }
  return text;
}
