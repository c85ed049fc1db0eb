/** Statuses and texts of Triton's errors. */
import { expect, test } from "vitest";
import { ServingError } from "../../../../core/errors.ts";
import { tritonErrors } from "../../../../gateway/kserve/errors.ts";

test.each([
  ["INVALID_ARGUMENT", 400],
  ["UNKNOWN", 400],
  ["ALREADY_EXISTS", 400],
  ["CANCELLED", 400],
  ["NOT_FOUND", 404],
  ["UNAVAILABLE", 503],
  ["UNIMPLEMENTED", 501],
  ["INTERNAL", 500],
] as const)("%s is %i, as in Triton", (code, status) => {
  expect(tritonErrors.failed(new ServingError(code, "why"))).toMatchObject({ status, body: '{"error":"why"}' });
});

test("a body over the limit is 400 and names both sizes", () => {
  const { status, body } = tritonErrors.faulty({ kind: "body-too-large", bytes: 70, bytesMax: 64 });
  const text =
    "request JSON size of 70 bytes exceeds the maximum allowed input size of 64 bytes. Use --http-max-input-size to increase the limit.";
  expect([status, body]).toEqual([400, JSON.stringify({ error: text })]);
});
