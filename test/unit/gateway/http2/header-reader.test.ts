import { expect, test } from "vitest";
import { HeaderReader, type WholeBlock } from "../../../../gateway/http2/header-reader.ts";
import { headerBlock } from "../../../../gateway/http2/hpack/encoder.ts";

const CALL = headerBlock({ ":method": "POST", ":scheme": "http", ":path": "/a/b", "x-a": "1" });
const END_HEADERS = 4;
const HEADERS = { type: 1, flags: END_HEADERS, stream: 1 };
const MORE = { type: 9, flags: 0, stream: 1 };

function whole(block: ReturnType<HeaderReader["headers"]>): WholeBlock {
  if (block?.kind !== "whole") throw new Error(`no whole block: ${JSON.stringify(block)}`);
  return block;
}

test("a block that changed nothing is read once, as long as nothing else changes what it means", () => {
  const reader = new HeaderReader();
  const read = (bytes: Buffer) => reader.request(whole(reader.headers(HEADERS, Buffer.from(bytes))));
  const first = read(CALL);
  expect(first).toMatchObject({ method: "POST", path: "/a/b" });
  expect(read(CALL)).toBe(first);
  const adds = Buffer.concat([CALL, Buffer.from([0x40, 1, 0x62, 1, 0x63])]);
  expect(read(adds)).not.toBe(read(adds));
  expect(read(CALL)).not.toBe(first);
  expect(read(CALL)).toBe(read(CALL));
});

test("the same bytes mean what the table says at that time", () => {
  const reader = new HeaderReader();
  const read = (bytes: Buffer) => reader.request(whole(reader.headers(HEADERS, bytes)));
  const add = (value: string) => Buffer.concat([CALL, Buffer.from([0x40, 1, 0x62, 1]), Buffer.from(value)]);
  const named = Buffer.concat([CALL, Buffer.from([0xbe])]);
  read(add("c"));
  expect(read(named)).toMatchObject({
    fields: new Map([
      ["x-a", "1"],
      ["b", "c"],
    ]),
  });
  read(add("d"));
  expect(read(named)).toMatchObject({
    fields: new Map([
      ["x-a", "1"],
      ["b", "d"],
    ]),
  });
});

test("a block may come in parts, with padding and a priority", () => {
  const reader = new HeaderReader();
  const padded = Buffer.concat([Buffer.from([2, 0, 0, 0, 1, 16]), CALL.subarray(0, 5), Buffer.alloc(2)]);
  expect(reader.headers({ ...HEADERS, flags: 8 | 32 | 1 }, padded)).toBeUndefined();
  expect(reader.isOpen).toBe(true);
  expect(reader.continuation(MORE, CALL.subarray(5, 8))).toBeUndefined();
  const block = whole(reader.continuation({ ...MORE, flags: END_HEADERS }, CALL.subarray(8)));
  expect(block).toMatchObject({ stream: 1, ends: true, dependsOnItself: true });
  expect(reader.request(block)).toMatchObject({ path: "/a/b" });
});

test.each([
  ["many small parts", 1, 11],
  ["a few large ones", 16_000, 11],
])("a block without end in %s is too much", (_, size, error) => {
  const reader = new HeaderReader();
  reader.headers({ ...HEADERS, flags: 0 }, CALL);
  let parts = 0;
  let found: ReturnType<HeaderReader["continuation"]>;
  while (found === undefined && ++parts < 1_000) found = reader.continuation(MORE, Buffer.alloc(size));
  expect(found).toMatchObject({ kind: "broken", error });
  expect(parts).toBeLessThan(17);
});

test("CONTINUATION of nothing, or of another stream, is an error", () => {
  const reader = new HeaderReader();
  expect(reader.continuation(MORE, CALL)).toMatchObject({ kind: "broken", error: 1 });
  reader.headers({ ...HEADERS, flags: 0 }, CALL);
  expect(reader.continuation({ ...MORE, stream: 3 }, CALL)).toMatchObject({ kind: "broken", error: 1 });
});
