/** Which route takes a method and a path. */
import { expect, test } from "vitest";
import { isPublic } from "../../../../gateway/access/access.ts";
import { emptyAnswer } from "../../../../gateway/http/answer.ts";
import type { HttpMethod, Route } from "../../../../gateway/http/route.ts";
import { RouteTable } from "../../../../gateway/http1/route-table.ts";

const errors = { prefix: "", failed: () => emptyAnswer(500), faulty: () => emptyAnswer(404) };
const route = (method: HttpMethod, path: string): Route => ({
  method,
  path,
  ...isPublic(),
  body: "none",
  errors,
  handle: () => emptyAnswer(200),
});

const table = new RouteTable([
  route("GET", "/"),
  route("GET", "/m/{model}"),
  route("POST", "/m/{model}"),
  route("GET", "/m/stats"),
  route("GET", "/m/{model}/v/{version}"),
  route("GET", "/m/stats/x/y"),
]);

/** The pattern and the parameters. */
function found(method: string, path: string) {
  const one = table.find(method, path);
  return typeof one === "object" ? [one.route.path, one.params] : one;
}

test("a fixed segment goes before a parameter, where it leads to a route of the method", () => {
  expect(found("GET", "/")).toEqual(["/", {}]);
  expect(found("GET", "/m/stats")).toEqual(["/m/stats", {}]);
  expect(found("POST", "/m/stats")).toEqual(["/m/{model}", { model: "stats" }]);
  expect(found("GET", "/m/stats/v/1")).toEqual(["/m/{model}/v/{version}", { model: "stats", version: "1" }]);
});

test("parameters are decoded, and slashes in them are theirs", () => {
  expect(found("GET", "/m/a%2Fb%20c")).toEqual(["/m/{model}", { model: "a/b c" }]);
  expect(found("GET", "/m/%zz")).toBe("malformed");
  expect(found("GET", "/m/__proto__")).toEqual(["/m/{model}", { model: "__proto__" }]);
});

test.each(["", "//", "/m", "/m/", "/M/a", "/m/a/", "/m/a/v", "/%6d/a", "/m//v/1", `/m/${"x".repeat(1_025)}`, "m/a"])(
  "nobody takes %s",
  (path) => {
    expect(found("GET", path)).toBeUndefined();
  },
);
