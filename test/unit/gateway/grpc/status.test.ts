import fc from "fast-check";
import { expect, test } from "vitest";
import { ERROR_CODES } from "../../../../core/errors.ts";
import { percentEncoded, statusTrailers } from "../../../../gateway/grpc/status.ts";

const SEED = 20_260_801;

test("codes have gRPC's numbers", () => {
  const numbers = ERROR_CODES.map((code) => Number(statusTrailers({ code, message: "" })["grpc-status"]));
  expect(numbers).toEqual(Array.from({ length: 16 }, (_, index) => index + 1));
});

test("a text is printable ASCII on the wire, and itself when it is decoded", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary", maxLength: 300 }), (text) => {
      const encoded = percentEncoded(text);
      expect(encoded).toMatch(/^[ -~]*$/);
      expect(decodeURIComponent(encoded)).toBe(text.toWellFormed());
    }),
    { seed: SEED, numRuns: 500 },
  );
});

test("a text that is too long is cut between characters", () => {
  const encoded = percentEncoded("🌊".repeat(2_000));
  expect(encoded.length).toBeLessThanOrEqual(4_096);
  expect(decodeURIComponent(encoded)).toMatch(/^(🌊)+$/u);
});

test("a call that failed without a text has no grpc-message", () => {
  expect(statusTrailers({ code: "UNIMPLEMENTED", message: "" })).toEqual({ "grpc-status": "12" });
});
