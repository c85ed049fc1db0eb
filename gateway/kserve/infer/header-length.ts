/** How much of an inference request's body is JSON. Pure. */
import { invalid } from "../triton-error.ts";

const INT32_MAX = 2 ** 31 - 1;
const INT32_MIN = -(2 ** 31);

/**
 * @param header `Inference-Header-Content-Length`; undefined: all of it
 * @param bodyBytes uncompressed
 * @returns 0 for a raw binary request
 * @throws ServingError INVALID_ARGUMENT
 */
export function headerLength(header: string | undefined, bodyBytes: number): number {
  if (header === undefined) return bodyBytes;
  const name = "Inference-Header-Content-Length";
  if (!/^\s*[+-]?\d+\s*$/.test(header)) throw invalid(`Unable to parse ${name}, got: ${header}`);
  const length = Number(header);
  if (length < INT32_MIN || length > INT32_MAX) {
    throw invalid(`Unable to parse ${name}, value is out of range [ ${INT32_MIN}, ${INT32_MAX} ], got: ${header}`);
  }
  if (length < 0 || length > bodyBytes) throw invalid(`inference header size should be in range (0, ${bodyBytes}), got: ${header}`);
  return length;
}
