import { expect, test } from "vitest";
import { LineReader } from "../../../../node-agent/runners/line-reader.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

test("lines come out whole, however the stream is cut, characters of several bytes too", () => {
  const reader = new LineReader(100);
  const lines = [...bytes("one\n\nzwölf €\nlast")].flatMap((byte) => reader.push(Uint8Array.of(byte)));
  expect([...lines, ...reader.end()]).toEqual(["one", "zwölf €", "last"]);
  expect(reader.end()).toEqual([]);
});

test("a line without an end does not grow without bounds", () => {
  const reader = new LineReader(10);
  for (let index = 0; index < 100; index++) reader.push(bytes("xxxxxxxx"));
  expect(reader.push(bytes("\n"))).toEqual(["xxxxxxxxxx"]);
});
