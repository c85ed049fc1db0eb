/** Which API answers for a path that no route takes. */
import { expect, test } from "vitest";
import { isPublic } from "../../../../gateway/access/access.ts";
import { emptyAnswer } from "../../../../gateway/http/answer.ts";
import type { ErrorShape, HttpMethod, Route } from "../../../../gateway/http/route.ts";
import { pathMatcher, pathOf } from "../../../../gateway/http1/path-pattern.ts";
import { Surfaces } from "../../../../gateway/http1/surfaces.ts";

const shape = (prefix: string): ErrorShape => ({ prefix, failed: () => emptyAnswer(500), faulty: () => emptyAnswer(404) });
const [v1, all] = [shape("/v1"), shape("")];

function route(method: HttpMethod, path: string, errors: ErrorShape): Route {
  return { method, path, ...isPublic(), body: "none", errors, handle: () => emptyAnswer(200) };
}

const surfaces = new Surfaces([route("GET", "/v2/{a}", all), route("GET", "/v1/x", v1), route("POST", "/v1/x", v1)]);

test("the longest prefix speaks for a path, by whole segments", () => {
  expect(["/v1", "/v1/y", "/v1/x/z"].map((path) => surfaces.shapeOf(path))).toEqual([v1, v1, v1]);
  expect(["/", "", "/v10", "/v2/x"].map((path) => surfaces.shapeOf(path))).toEqual([all, all, all, all]);
});

test("a path without prefix of its own is answered all the same", () => {
  expect(new Surfaces([]).shapeOf("/x").faulty({ kind: "not-found" })).toMatchObject({ status: 404 });
});

test("a known path with another method names the methods that it takes", () => {
  expect(surfaces.faultOf("/v1/x")).toEqual({ kind: "method-not-allowed", allowed: ["GET", "POST"] });
  expect(surfaces.faultOf("/v2/anything%2Felse")).toEqual({ kind: "method-not-allowed", allowed: ["GET"] });
  expect(surfaces.faultOf("/v2/a/b")).toEqual({ kind: "not-found" });
});

test("a pattern names segments, and everything else in it is itself", () => {
  expect(pathMatcher("/a.b/{c}").test("/a.b/x")).toBe(true);
  expect(pathMatcher("/a.b/{c}").test("/axb/x")).toBe(false);
  expect(pathMatcher("/a/{c}").test("/a/")).toBe(false);
  expect([pathOf("/a?b=/c"), pathOf("/a")]).toEqual(["/a", "/a"]);
});
