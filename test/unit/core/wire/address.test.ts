import { expect, test } from "vitest";
import { formatAddress, parseAddress } from "../../../../core/wire/address.ts";

test("addresses read as they are written", () => {
  for (const text of [
    "unix:/tmp/a",
    "tcp:127.0.0.1:80",
    "tcp:node-1.example:65535",
    "tcp:[::1]:0",
    "tls:node-1.example:65535",
    "tls:[::1]:0",
  ])
    expect(formatAddress(parseAddress(text))).toBe(text);
});

test("what is no address is refused with the form that is wanted", () => {
  for (const text of ["", "unix:", "tcp:host", "tcp::80", "tcp:host:65536", "tcp:host:-1", "udp:host:1", "/tmp/a"])
    expect(() => parseAddress(text), text).toThrow();
  expect(() => parseAddress("http://x")).toThrow(/unix:PATH, tcp:HOST:PORT or tls:HOST:PORT/);
});

test("a socket path that is too long for the system is refused with the remedy", () => {
  expect(() => parseAddress(`unix:/${"é".repeat(50)}`)).toThrow(/101 bytes, at most 100.*shorter folder/);
});
