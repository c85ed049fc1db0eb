/** Which hosts and origins a loopback server answers to. */
import { expect, test } from "vitest";
import { hostWithoutPort, isLoopbackHost, knownHost, sameOrigin } from "../../../../gateway/access/host-check.ts";

test.each(["localhost", "LOCALHOST", "a.localhost", "127.0.0.1", "127.255.0.3", "::1", "[::1]"])("%s is this machine", (host) => {
  expect(isLoopbackHost(host)).toBe(true);
});

test.each(["", "0.0.0.0", "::", "10.0.0.1", "localhost.example", "127.0.0.1.example", "1127.0.0.1", "[::2]"])("%j is not", (host) => {
  expect(isLoopbackHost(host)).toBe(false);
});

test("the port does not count, and no header is no browser", () => {
  expect(hostWithoutPort("[::1]:80")).toBe("[::1]");
  expect(hostWithoutPort("[::1]")).toBe("[::1]");
  expect([knownHost("localhost:9"), knownHost("[::1]:9"), knownHost("x:9"), knownHost(undefined)]).toEqual([true, true, false, true]);
});

test("an origin is the server's own when scheme apart it is the Host", () => {
  expect(sameOrigin(undefined, "a:1")).toBe(true);
  expect(sameOrigin("http://a:1", "a:1")).toBe(true);
  expect(sameOrigin("http://a:2", "a:1")).toBe(false);
  expect(sameOrigin("null", "a:1")).toBe(false);
  expect(sameOrigin("http://a", undefined)).toBe(false);
});
