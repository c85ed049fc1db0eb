/** What may become of bytes on their way, and the only answer to it. */
import fc from "fast-check";
import { expect } from "vitest";
import { ServingError } from "../../core/errors.ts";

/** `bytes` with some bytes changed, and cut or lengthened. */
export const damaged = (bytes: Uint8Array) =>
  fc
    .record({
      changes: fc.array(fc.tuple(fc.nat(Math.max(0, bytes.byteLength - 1)), fc.nat(255)), { maxLength: 4 }),
      length: fc.nat(bytes.byteLength + 8),
    })
    .map(({ changes, length }) => {
      const copy = new Uint8Array(length);
      copy.set(bytes.subarray(0, length));
      for (const [offset, value] of changes) if (offset < length) copy[offset] = value;
      return copy;
    });

/** Whatever `decode` makes of it: it throws nothing else. */
export function onlyInvalidArgument(decode: () => unknown): void {
  try {
    decode();
  } catch (thrown) {
    expect(thrown).toBeInstanceOf(ServingError);
    expect(thrown).toMatchObject({ code: "INVALID_ARGUMENT" });
  }
}
