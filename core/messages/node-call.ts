/** What an agent asks its gateways on its own behalf, on a stream of a call: JSON, as `model-files.ts` and `model-control.ts` have it. Pure. */

/** Where a call has the number of the stream that it belongs to: an agent's own asking belongs to none. */
const NO_CALLER = -1;
const CALLER_BYTES = 8;

/** @param request as JSON */
export function encodeNodeCall(request: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(CALLER_BYTES + request.byteLength);
  new DataView(bytes.buffer).setFloat64(0, NO_CALLER, true);
  bytes.set(request, CALLER_BYTES);
  return bytes;
}

/** @returns the request as JSON; undefined when the call is one of a running request */
export function decodeNodeCall(call: Uint8Array): Uint8Array | undefined {
  if (call.byteLength < CALLER_BYTES) return undefined;
  const caller = new DataView(call.buffer, call.byteOffset).getFloat64(0, true);
  return caller === NO_CALLER ? call.subarray(CALLER_BYTES) : undefined;
}
