import { describe, expect, test } from "vitest";
import { areTrailers, requestHeaders } from "../../../../gateway/http2/request-headers.ts";

type Fields = readonly (readonly [name: string, value: string])[];

const CALL: Fields = [
  [":method", "POST"],
  [":scheme", "http"],
  [":path", "/a/b"],
  [":authority", "localhost"],
  ["te", "trailers"],
];
const parsed = (fields: Fields) => requestHeaders({ fields: fields.map(([name, value]) => ({ name, value })), oversized: false });

test("a request is its method, its path and its fields; repeated ones are joined", () => {
  const headers = parsed([...CALL, ["x-a", "1"], ["x-a", "2"], ["content-length", "7"]]);
  expect(headers).toMatchObject({ method: "POST", path: "/a/b", bodyBytes: 7, oversized: false });
  expect([...(headers?.fields ?? [])]).toEqual([
    ["te", "trailers"],
    ["x-a", "1, 2"],
    ["content-length", "7"],
  ]);
});

describe("no request", () => {
  const without = (name: string): Fields => CALL.filter(([its]) => its !== name);
  test.each<readonly [string, Fields]>([
    ["has no method", without(":method")],
    ["has no path", without(":path")],
    ["has no scheme", without(":scheme")],
    ["has an empty path", [...without(":path").slice(0, 2), [":path", ""]]],
    ["has two methods", [[":method", "POST"], ...CALL]],
    ["has a pseudo-header behind others", [...CALL, [":path", "/"]]],
    ["has a pseudo-header of answers", [[":status", "200"], ...CALL]],
    ["has an unknown pseudo-header", [[":protocol", "websocket"], ...CALL]],
    ["has capitals in a name", [...CALL, ["X-A", "1"]]],
    ["has white space in a name", [...CALL, ["x a", "1"]]],
    ["has an empty name", [...CALL, ["", "1"]]],
    ["has a line's end in a value", [...CALL, ["x-a", "1\r\nx-b: 2"]]],
    ["has a zero in a value", [...CALL, ["x-a", "1\0"]]],
    ["has white space around a value", [...CALL, ["x-a", " 1"]]],
    ["has connection", [...CALL, ["connection", "close"]]],
    ["has transfer-encoding", [...CALL, ["transfer-encoding", "chunked"]]],
    ["takes more than trailers", [...without("te"), ["te", "gzip"]]],
    ["has a length that is no number", [...CALL, ["content-length", "-1"]]],
    ["has two lengths", [...CALL, ["content-length", "1"], ["content-length", "1"]]],
    ["connects to a path", [[":method", "CONNECT"], ...without(":method")]],
  ])("%s", (_, fields) => {
    expect(parsed(fields)).toBeUndefined();
  });
});

test("CONNECT has neither scheme nor path", () => {
  expect(
    parsed([
      [":method", "CONNECT"],
      [":authority", "localhost:1"],
    ]),
  ).toMatchObject({ method: "CONNECT", path: "" });
});

test("trailers are fields alone", () => {
  const trailers = (name: string) => areTrailers({ fields: [{ name, value: "1" }], oversized: false });
  expect([trailers("x-a"), trailers(":path"), trailers("connection")]).toEqual([true, false, false]);
});
