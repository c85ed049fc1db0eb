/** A failure on its way from an agent to a gateway: all that a client may learn of it arrives. Pure. */
import { ServingError } from "../errors.ts";
import type { AnswerFrame } from "./generation.ts";

export type FailedAnswer = Extract<AnswerFrame, { kind: "failed" }>;

export function failedAnswer({ code, message, reason, param }: ServingError): FailedAnswer {
  return { kind: "failed", code, message, ...(reason !== undefined && { reason }), ...(param !== undefined && { param }) };
}

export function failureOf({ code, message, reason, param }: FailedAnswer): ServingError {
  return new ServingError(code, message, { ...(reason !== undefined && { reason }), ...(param !== undefined && { param }) });
}
