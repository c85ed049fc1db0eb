/** Heads of requests: what is read, and what is refused because it could be read in two ways. */
import { describe, expect, test } from "vitest";
import { parseRequestHead, partialHeadFault } from "../../../../gateway/http1/request-head.ts";

const POST = "POST /a HTTP/1.1\r\nHost: x\r\n";

function read(text: string) {
  const head = parseRequestHead(text);
  if (typeof head === "string") throw new Error(head);
  return head;
}

test("a head has its method, its target and its fields, found without regard to case", () => {
  const head = read("GET /v2?x=1 HTTP/1.1\r\nHOST: a\r\nX-Two: 1\r\nEmpty:\r\nx-two:\t 2 \t\r\n");
  expect(head).toMatchObject({ method: "GET", target: "/v2?x=1", bodyBytes: 0, takesChunks: true, keepsAlive: true });
  expect([head.fields.get("host"), head.fields.get("x-two"), head.fields.get("empty"), head.fields.get("none")]).toEqual([
    "a",
    "1, 2",
    "",
    undefined,
  ]);
  expect(head.fields.pairs()).toContainEqual(["x-two", "2"]);
});

test("a target with its origin is the path behind it", () => {
  const target = (line: string) => read(`GET ${line} HTTP/1.1\r\nHost: x:8000\r\n`).target;
  expect(target("http://x:8000/v2?a=http://y/")).toBe("/v2?a=http://y/");
  expect([target("http://x:8000"), target("HTTP://x:8000?a"), target("/http://y/z")]).toEqual(["/", "/?a", "/http://y/z"]);
});

test("a body has a length or comes in chunks", () => {
  expect(read(`${POST}content-length: 12\r\n`).bodyBytes).toBe(12);
  expect(read(`${POST}Transfer-Encoding: Chunked\r\n`).bodyBytes).toBeUndefined();
});

test("connections are kept as the client's version and its wish say", () => {
  expect(read(`${POST}Connection: keep-alive, Close\r\n`).keepsAlive).toBe(false);
  expect(read("GET / HTTP/1.0\r\n")).toMatchObject({ keepsAlive: false, takesChunks: false });
  expect(read("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n").keepsAlive).toBe(true);
  expect(read(`${POST}Expect: 100-Continue\r\n`).expectsContinue).toBe(true);
});

describe("refused is", () => {
  test.each([
    ["no version", "GET /\r\nHost: x\r\n"],
    ["another version", "GET / HTTP/2.0\r\nHost: x\r\n"],
    ["two spaces", "GET  / HTTP/1.1\r\nHost: x\r\n"],
    ["a space in the target", "GET /a b HTTP/1.1\r\nHost: x\r\n"],
    ["a control character in the target", "GET /a\u0000 HTTP/1.1\r\nHost: x\r\n"],
    ["a space before the colon", `${POST}Content-Length : 1\r\n`],
    ["a folded line", `${POST}X-A: 1\r\n 2\r\n`],
    ["a line without a colon", `${POST}nonsense\r\n`],
    ["a field without a name", `${POST}: 1\r\n`],
    ["a bare line feed", `${POST}X-A: 1\nX-B: 2\r\n`],
    ["a bare carriage return", `${POST}X-A: 1\rX-B: 2\r\n`],
    ["a null in a value", `${POST}X-A: 1\u00002\r\n`],
    ["another host than the target's", "GET http://y/ HTTP/1.1\r\nHost: x\r\n"],
    ["no host", "GET / HTTP/1.1\r\n"],
    ["two hosts", `${POST}Host: y\r\n`],
    ["two lengths", `${POST}Content-Length: 1\r\nContent-Length: 1\r\n`],
    ["a list of lengths", `${POST}Content-Length: 1, 1\r\n`],
    ["a negative length", `${POST}Content-Length: -1\r\n`],
    ["a length with a sign", `${POST}Content-Length: +1\r\n`],
    ["a length in hexadecimal", `${POST}Content-Length: 0x1\r\n`],
    ["a length beyond counting", `${POST}Content-Length: 99999999999999999999\r\n`],
    ["an empty length", `${POST}Content-Length:\r\n`],
    ["a length and chunks", `${POST}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n`],
    ["another coding", `${POST}Transfer-Encoding: gzip, chunked\r\n`],
    ["chunks twice", `${POST}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n`],
    ["a coding that hides", `${POST}Transfer-Encoding: \u00a0chunked\r\n`],
    ["a coding with a vertical tab", `${POST}Transfer-Encoding: \u000bchunked\r\n`],
    ["chunks of an old client", "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n"],
  ])("%s", (_, text) => {
    expect(parseRequestHead(text)).toBe("no-http");
  });
});

test("of a part it is said early that it is no HTTP, or too long", () => {
  expect(["", "G", "GET / HTT", "GET / HTTP/1.1\r\nHo"].map(partialHeadFault)).toEqual([undefined, undefined, undefined, undefined]);
  expect(["\u0016\u0003\u0001", "\r\n", "GET /\r\n"].map(partialHeadFault)).toEqual(["no-http", "no-http", "no-http"]);
  expect(partialHeadFault(`GET /${"a".repeat(16 * 1024)}`)).toBe("head-too-large");
});

test("no head costs more time than its length", () => {
  for (const value of [" ".repeat(16_000), "\t \t".repeat(5_000), "a ".repeat(8_000)]) {
    expect(parseRequestHead(`${POST}X: ${value}\u0000\r\n`)).toBe("no-http");
    expect(read(`${POST}X: ${value}\r\n`).fields.get("x")).toBe(value.trim());
  }
});
