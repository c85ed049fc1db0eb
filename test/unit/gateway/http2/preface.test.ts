import { expect, test } from "vitest";
import { openingOf } from "../../../../gateway/http2/preface.ts";

test.each([
  ["", "partial"],
  ["PRI * HTTP/2.0\r\n\r\nSM\r\n\r", "partial"],
  ["PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "preface"],
  ["PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nmore", "preface"],
  ["GET / HTTP/1.1\r\n", "http/1"],
  ["POST /v2/models HTTP/1.0\r\n\r\n", "http/1"],
  ["PRI * HTTP/1.1\r\n\r\n", "http/1"],
  ["hello", "unknown"],
  ["\x16\x03\x01", "unknown"],
])("%j is %s", (text, opening) => {
  expect(openingOf(Buffer.from(text, "latin1"))).toBe(opening);
});
