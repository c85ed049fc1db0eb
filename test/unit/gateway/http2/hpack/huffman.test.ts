import { expect, test } from "vitest";
import { huffmanDecoded } from "../../../../../gateway/http2/hpack/huffman.ts";

const decoded = (hex: string): string | undefined => {
  const bytes = Buffer.from(hex, "hex");
  return huffmanDecoded(bytes, 0, bytes.byteLength);
};

// Codes of RFC 7541, appendix B: the last byte of each length that codes have, padded with ones.
test.each([
  ["4f", 116],
  ["b7", 117],
  ["f7", 122],
  ["fd", 90],
  ["ff3f", 63],
  ["ff9f", 124],
  ["ffbf", 62],
  ["ffef", 126],
  ["fff7", 125],
  ["fffd", 123],
  ["fffe5f", 208],
  ["fffedf", 226],
  ["ffff47", 230],
  ["ffffaf", 233],
  ["ffffe9", 239],
  ["fffff5", 237],
  ["fffff7ff", 235],
  ["fffffbbf", 255],
  ["fffffe1f", 254],
  ["ffffffef", 249],
  ["fffffffb", 22],
])("%s is byte %i", (hex, byte) => {
  expect(decoded(hex)).toBe(String.fromCharCode(byte));
});

test("nothing is nothing, and only the fewest ones may pad", () => {
  expect(decoded("")).toBe("");
  expect(decoded("ff")).toBeUndefined();
  expect(decoded("06")).toBeUndefined();
  expect(decoded("fffffffe")).toBeUndefined();
});
