/** What every adapter of the repository port refuses, in the same words. Pure. */
import { ServingError } from "../errors.ts";

const RANGE_BYTES_MAX = 256 * 1024 * 1024;

export const fileNotFound = (name: string): ServingError => new ServingError("NOT_FOUND", `the model has no file '${name}'`);
export const modelNotFound = (name: string): ServingError =>
  new ServingError("NOT_FOUND", `the repository has no model '${name}'`, { reason: "model_not_found" });
/** Why none of two models of one name is served; Triton's text. */
export const IN_SEVERAL = "model appears in two or more repositories";

/** @throws ServingError INVALID_ARGUMENT for a range that no file can have, OUT_OF_RANGE when it passes the file's end. */
export function checkRange(range: { name: string; offset: number; length: number; fileBytes: number }): void {
  const { name, offset, length, fileBytes } = range;
  if (!Number.isSafeInteger(offset) || !Number.isSafeInteger(length) || offset < 0 || length < 0 || length > RANGE_BYTES_MAX) {
    throw new ServingError("INVALID_ARGUMENT", `cannot read ${length} bytes at ${offset} of '${name}': at most ${RANGE_BYTES_MAX} a call`);
  }
  if (offset + length > fileBytes) {
    throw new ServingError("OUT_OF_RANGE", `'${name}' has ${fileBytes} bytes: ${length} at ${offset} pass its end`);
  }
}
