/** Bodies: by their length or in chunks, in whatever pieces they come, and their limits. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { wholeBody } from "../../../../gateway/http/body.ts";
import { BodyBudget, BodyReader, type BodyState } from "../../../../gateway/http/body-reader.ts";

const limits = (bytesMax = 1_000, held = 1_000_000) => ({ bytesMax, budget: new BodyBudget(held) });
const bytesOf = (text: string): Uint8Array<ArrayBuffer> => new Uint8Array(Buffer.from(text, "latin1"));
const textOf = (state: BodyState): string | undefined =>
  state.kind === "whole" ? Buffer.from(wholeBody(state.body)).toString("latin1") : undefined;

/** Pushes pieces until it is over. @returns the last state, and what was left */
function readAll(reader: BodyReader, pieces: readonly Uint8Array<ArrayBuffer>[]) {
  let left = 0;
  let state: BodyState = { kind: "partial" };
  for (const piece of pieces) {
    if (state.kind === "partial") {
      const own = reader.push(piece);
      state = reader.state();
      left += piece.byteLength - own;
    } else {
      left += piece.byteLength;
    }
  }
  return { state, left };
}

test("a body in chunks is the same in whatever pieces it comes, and what follows is not its own", () => {
  const chunk = fc.string({ minLength: 1, maxLength: 40, unit: fc.integer({ min: 0, max: 255 }).map((code) => String.fromCharCode(code)) });
  fc.assert(
    fc.property(fc.array(chunk, { maxLength: 8 }), fc.array(fc.nat(30), { maxLength: 40 }), (chunks, cuts) => {
      const coded = chunks.map((text) => `${text.length.toString(16)};a=b\r\n${text}\r\n`).join("");
      const bytes = bytesOf(`${coded}0\r\nX-Trailer: 1\r\n\r\nGET /`);
      const pieces: Uint8Array<ArrayBuffer>[] = [];
      let at = 0;
      for (const cut of [...cuts, bytes.byteLength]) {
        pieces.push(bytes.subarray(at, at + cut));
        at = Math.min(bytes.byteLength, at + cut);
      }
      const { state, left } = readAll(new BodyReader(undefined, limits()), pieces);
      expect([textOf(state), left]).toEqual([chunks.join(""), 5]);
    }),
    { seed: 4 },
  );
});

describe("chunks are refused with", () => {
  test.each([
    ["no size", "\r\nabc\r\n"],
    ["a size that is no number", "xyz\r\n"],
    ["a sign", "+3\r\nabc\r\n"],
    ["hexadecimal's sign", "0x3\r\nabc\r\n"],
    ["a bare line feed behind the size", "3\nabc\r\n"],
    ["a bare line feed behind the data", "3\r\nabc\n0\r\n\r\n"],
    ["more data than the size says", "3\r\nabcd\r\n"],
    ["a size beyond counting", "fffffffffffffffff\r\n"],
    ["an extension without an end", `3;${"a".repeat(300)}`],
    ["a line feed in an extension", "3;a\nb\r\n"],
    ["trailers without an end", `0\r\n${"a: b\r\n".repeat(5_000)}`],
    ["a bare line feed in the trailers", "0\r\na: b\n\r\n"],
  ])("%s", (_, text) => {
    expect(readAll(new BodyReader(undefined, limits()), [bytesOf(text)]).state.kind).toBe("broken");
  });
});

test("a body of known length ends there", () => {
  const { state, left } = readAll(new BodyReader(5, limits()), [bytesOf("he"), bytesOf("llo GET")]);
  expect([textOf(state), left]).toEqual(["hello", 4]);
});

test("one that is too large is refused at once, dropped up to twice the limit, and broken beyond", () => {
  const announced = new BodyReader(15, limits(10));
  expect(announced.fault).toMatchObject({ kind: "body-too-large", bytes: 15, bytesMax: 10 });
  expect(readAll(announced, [bytesOf("x".repeat(15))]).state.kind).toBe("dropped");
  const chunked = new BodyReader(undefined, limits(10));
  chunked.push(bytesOf("b\r\nhello world\r\n"));
  expect([chunked.fault, chunked.state().kind]).toMatchObject([{ kind: "body-too-large", bytes: undefined }, "partial"]);
  chunked.push(bytesOf("b\r\nhello world\r\n"));
  expect(chunked.state().kind).toBe("broken");
});

test("all bodies together have a limit, and room comes back when one is over or dropped", () => {
  const shared = limits(1_000, 10);
  const first = new BodyReader(8, shared);
  first.push(bytesOf("1234"));
  const second = new BodyReader(8, shared);
  second.push(bytesOf("12345678"));
  expect(second.fault).toMatchObject({ kind: "refused", status: 503 });
  first.push(bytesOf("5678"));
  expect(textOf(first.state())).toBe("12345678");
  const third = new BodyReader(10, shared);
  third.push(bytesOf("123456789"));
  third.drop();
  const fourth = new BodyReader(10, shared);
  fourth.push(bytesOf("1234567890"));
  expect(textOf(fourth.state())).toBe("1234567890");
});

test("large pieces are kept as they come, small ones are gathered", () => {
  const [large, small] = [new Uint8Array(20_000).fill(1), Array.from({ length: 1_000 }, () => Uint8Array.of(2))];
  const reader = new BodyReader(21_000, limits(100_000));
  const { state } = readAll(reader, [large, ...small]);
  const segments = state.kind === "whole" ? state.body.segments : [];
  expect(segments[0]?.buffer).toBe(large.buffer);
  expect(segments.length).toBe(2);
});
