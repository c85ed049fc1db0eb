import { expect, test } from "vitest";
import { parseSettings } from "../../../../gateway/http2/peer-settings.ts";

const settings = (...entries: readonly (readonly [name: number, value: number])[]): Buffer => {
  const bytes = Buffer.alloc(6 * entries.length);
  for (const [index, [name, value]] of entries.entries()) {
    bytes.writeUInt16BE(name, 6 * index);
    bytes.writeUInt32BE(value, 6 * index + 2);
  }
  return bytes;
};

test("the last of each counts; what is unknown is passed over", () => {
  expect(parseSettings(settings([4, 1], [4, 2], [5, 20_000], [99, 7], [2, 0]))).toEqual({ initialWindow: 2, frameBytesMax: 20_000 });
  expect(parseSettings(settings())).toEqual({ initialWindow: undefined, frameBytesMax: undefined });
});

test.each([
  ["half an entry", Buffer.alloc(5), 6],
  ["push that is neither on nor off", settings([2, 2]), 1],
  ["a window that is too large", settings([4, 2 ** 31]), 3],
  ["frames that are too small", settings([5, 16_383]), 1],
  ["frames that are too large", settings([5, 2 ** 24]), 1],
])("%s is an error", (_, bytes, error) => {
  expect(parseSettings(bytes)).toBe(error);
});
