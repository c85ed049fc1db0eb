/** Statuses, types and retry headers of OpenAI's errors. */
import { expect, test } from "vitest";
import { ERROR_CODES, ServingError } from "../../../../core/errors.ts";
import { errorFrame, openaiErrors } from "../../../../gateway/openai/errors.ts";

function failed(...args: ConstructorParameters<typeof ServingError>) {
  const { status, headers, body } = openaiErrors.failed(new ServingError(...args));
  return { status, headers, body: JSON.parse(String(body)) };
}

test("an error has all four keys, null where there is nothing to say", () => {
  expect(failed("INVALID_ARGUMENT", "no").body).toEqual({
    error: { message: "no", type: "invalid_request_error", param: null, code: null },
  });
  expect(failed("NOT_FOUND", "no", { reason: "model_not_found", param: "model" }).body).toEqual({
    error: { message: "no", type: "not_found_error", param: "model", code: "model_not_found" },
  });
  expect(errorFrame(new ServingError("INTERNAL", "a\nb"))).toBe(
    'data: {"error":{"message":"a\\nb","type":"server_error","param":null,"code":null}}\n\n',
  );
});

test("every code has a status of its kind, and a type that OpenAI knows", () => {
  for (const code of ERROR_CODES) {
    const { status, body } = failed(code, "x");
    expect(status).toBeGreaterThanOrEqual(400);
    expect(body.error.type).toMatch(
      /^(invalid_request_error|authentication_error|permission_error|not_found_error|rate_limit_error|server_error)$/,
    );
  }
});

test("what may work later says when, and what never will says so", () => {
  expect(failed("RESOURCE_EXHAUSTED", "x")).toMatchObject({ status: 429, headers: { "retry-after": "1" } });
  expect(failed("UNAVAILABLE", "x")).toMatchObject({ status: 503, headers: { "retry-after": "1" } });
  expect(failed("INTERNAL", "x").headers).not.toHaveProperty("x-should-retry");
  expect(failed("INTERNAL", "x", { reason: "poison_request" }).headers).toMatchObject({ "x-should-retry": "false" });
});
