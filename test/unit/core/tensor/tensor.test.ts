/** A tensor whose bytes came in pieces is one like any other, and its pieces are passed on as they are. */
import { describe, expect, test } from "vitest";
import { dataBytes, partsOf, tensorOf } from "../../../../core/tensor/tensor.ts";

const HEAD = { name: "x", dtype: "UINT8", shape: [5] } as const;
const PIECES = [Uint8Array.of(1, 2), Uint8Array.of(3), Uint8Array.of(4, 5)];
const WHOLE = Uint8Array.of(1, 2, 3, 4, 5);

describe("a tensor in pieces", () => {
  test("has them joined as its data, once", () => {
    const tensor = tensorOf(HEAD, PIECES);
    expect(tensor).toEqual({ ...HEAD, data: WHOLE });
    expect(tensor.data).toBe(tensor.data);
  });

  test("passes its pieces on, and knows its size, without joining them", () => {
    const tensor = tensorOf(HEAD, PIECES);
    expect(partsOf(tensor)).toBe(PIECES);
    expect(dataBytes(tensor)).toBe(5);
  });

  test("leaves its pieces behind when it is spread: the copy may get other data", () => {
    const copy = { ...tensorOf(HEAD, PIECES), name: "y" };
    expect(partsOf(copy)).toEqual([WHOLE]);
    expect(partsOf({ ...copy, data: Uint8Array.of(9) })).toEqual([Uint8Array.of(9)]);
  });

  test("of one piece has that as its data; of none it is empty", () => {
    const [piece] = PIECES;
    expect(tensorOf(HEAD, PIECES.slice(0, 1)).data).toBe(piece);
    expect(partsOf(tensorOf(HEAD, PIECES.slice(0, 1)))[0]).toBe(piece);
    expect(dataBytes(tensorOf({ ...HEAD, shape: [0] }, []))).toBe(0);
  });
});
