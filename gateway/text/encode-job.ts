/** What passes between the encode pool and its workers; a worker has one job at a time. Pure. */
import { type ErrorCode, isErrorCode } from "../../core/errors.ts";
import { jsonField, jsonText } from "../../core/model/json-value.ts";

export interface EncodeJob {
  /** Names the text bundle. */
  readonly digest: string;
  /** The bundle itself when this worker does not have it yet. */
  readonly bundle: Uint8Array | undefined;
  /** A bundle that this worker need not keep any longer. */
  readonly forget: string | undefined;
  readonly text: string;
  readonly addSpecial: boolean;
}

export type EncodeAnswer =
  | { readonly kind: "ids"; readonly ids: Int32Array }
  | { readonly kind: "failed"; readonly code: ErrorCode; readonly message: string };

/** undefined when it is no answer. */
export function parseEncodeAnswer(value: unknown): EncodeAnswer | undefined {
  const ids = jsonField(value, "ids");
  if (jsonField(value, "kind") === "ids" && ids instanceof Int32Array) return { kind: "ids", ids };
  const code = jsonField(value, "code");
  return isErrorCode(code) ? { kind: "failed", code, message: jsonText(value, "message") ?? "" } : undefined;
}
