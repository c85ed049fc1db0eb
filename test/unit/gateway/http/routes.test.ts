/** The table of all routes: every one says who may call it. */
import { expect, test } from "vitest";
import { ACCESS_CLASSES, API_GROUPS } from "../../../../gateway/access/access.ts";
import { BodyParsers } from "../../../../gateway/http/body-parser.ts";
import { scriptedRoutes } from "../../../protocol/scripted-gateway.ts";
import { ScriptedText } from "../../../support/scripted-text.ts";

const routes = scriptedRoutes(new ScriptedText(), new BodyParsers());

test.each(routes.map((route) => [`${route.method} ${route.path}`, route] as const))(
  "%s says who may call it, what it takes and how it fails",
  (_, route) => {
    expect(ACCESS_CLASSES).toContain(route.access);
    expect(route.path).toMatch(/^\/([a-z0-9_]+|\{[a-z]+\}|\/)*$/);
    if (route.method === "GET") expect(route.body).toBe("none");
    if (route.path !== "/") expect(API_GROUPS).toContain(route.group);
    expect(route.path.startsWith(route.errors.prefix) || route.path === "/").toBe(true);
  },
);

test("only health and the page are open to everybody", () => {
  const open = routes.filter(({ access }) => access === "public").map(({ path }) => path);
  expect(open.toSorted()).toEqual(["/", "/v2/health/live", "/v2/health/ready"]);
});

test("whatever changes or computes something is no GET, but the rest of a stream, whose id nobody can guess", () => {
  const gets = routes.filter(({ access, method }) => (access === "inference" || access === "control") && method === "GET");
  expect(gets.map(({ path }) => path)).toEqual(["/v1/streams/{generation}"]);
});

test("no two routes answer to the same", () => {
  const names = routes.map(({ method, path }) => `${method} ${path}`);
  expect(new Set(names).size).toBe(names.length);
});
