import { expect, test } from "vitest";
import { parseTimeout } from "../../../../gateway/grpc/timeout.ts";

test.each([
  ["1H", 3_600_000],
  ["2M", 120_000],
  ["3S", 3_000],
  ["250m", 250],
  ["250u", 0.25],
  ["99999999n", 99.999999],
  ["0S", 0],
])("%s is %d ms", (header, milliseconds) => {
  expect(parseTimeout(header)).toBeCloseTo(milliseconds, 9);
});

test("without the header there is no limit", () => {
  expect(parseTimeout(undefined)).toBeUndefined();
});

test.each(["", "S", "1", "1s", "1 S", "+1S", "-1S", "1.5S", "123456789S", "１S"])("%j is malformed", (header) => {
  expect(() => parseTimeout(header)).toThrow(expect.objectContaining({ code: "INVALID_ARGUMENT" }));
});
