/** Heads of one connection: found once each, and remembered as long as the client repeats itself. */
import { expect, test } from "vitest";
import type { Addressed } from "../../../../gateway/http1/addressed.ts";
import { HeadReader } from "../../../../gateway/http1/head-reader.ts";
import type { RequestHead } from "../../../../gateway/http1/request-head.ts";

const HEAD = "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\n";

function reader() {
  const addressed: RequestHead[] = [];
  const address = (head: RequestHead): Addressed => {
    addressed.push(head);
    return { head, path: head.target, found: undefined, fault: undefined, pageHeaders: undefined };
  };
  const heads = new HeadReader(address);
  return { addressed, read: (text: string) => heads.read(Buffer.from(text, "latin1")) };
}

test("a head that is the one before it is read once, whatever follows it", () => {
  const { addressed, read } = reader();
  const first = read(`${HEAD}body`);
  expect(read(`${HEAD}bo`)).toBe(first);
  expect(read(HEAD)).toBe(first);
  expect(addressed).toHaveLength(1);
  expect(addressed[0]).toMatchObject({ target: "/a", bodyBytes: 4, byteLength: HEAD.length });
});

test("a head that differs anywhere, or is not whole, is not taken for the one before it", () => {
  const { addressed, read } = reader();
  read(HEAD);
  expect(read(HEAD.slice(0, -1))).toBeUndefined();
  expect(read(HEAD.replace("4", "5"))).toMatchObject({ head: { bodyBytes: 5 } });
  expect(read(HEAD.replace("\r\n\r\n", "\r\nX: 1\r\n\r\n"))).toMatchObject({ head: { bodyBytes: 4 } });
  expect(read(HEAD.replace("Host", "H ost"))).toBe("no-http");
  expect(addressed).toHaveLength(3);
});

test("long heads are read each time", () => {
  const { addressed, read } = reader();
  const long = HEAD.replace("Host: x", `Host: x\r\nCookie: ${"c".repeat(2_048)}`);
  read(long);
  read(long);
  expect(addressed).toHaveLength(2);
  expect(read(HEAD.replace("Host: x", `Host: x\r\nCookie: ${"c".repeat(16_384)}`))).toBe("head-too-large");
});
