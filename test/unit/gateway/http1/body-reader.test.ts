/** Bodies: by their length or in chunks, in whatever pieces they come, and their limits. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { LentMemory } from "../../../../core/bytes/lent-memory.ts";
import { wholeBody } from "../../../../gateway/http/body.ts";
import { BodyBudget, BodyReader, type BodyState } from "../../../../gateway/http1/body-reader.ts";

const limits = (bytesMax = 1_000, held = 1_000_000) => ({ bytesMax, budget: new BodyBudget(held), memory: new LentMemory() });
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

test("a large body lies in one piece, of which the next one gets the memory once it is released", () => {
  const shared = limits(100_000);
  const read = (fill: number) => {
    const [large, small] = [new Uint8Array(50_000).fill(fill), Array.from({ length: 1_000 }, () => Uint8Array.of(fill))];
    const { state } = readAll(new BodyReader(51_000, shared), [large, ...small]);
    large.fill(9);
    return state.kind === "whole" ? state.body : undefined;
  };
  const [first, second] = [read(1), read(2)];
  expect(first?.segments.map((segment) => [segment.byteLength, new Set(segment)])).toEqual([[51_000, new Set([1])]]);
  first?.memory?.release();
  expect(read(3)?.segments[0]?.buffer).toBe(first?.segments[0]?.buffer);
  expect(new Set(second?.segments[0])).toEqual(new Set([2]));
});

test("a body that is dropped gives its memory back", () => {
  const shared = limits(100_000);
  const dropped = new BodyReader(100_000, shared);
  dropped.push(new Uint8Array(60_000));
  const before = shared.memory.freeBytes;
  dropped.drop();
  dropped.drop();
  expect([before, shared.memory.freeBytes > 0]).toEqual([0, true]);
});
