/** GGUF headers: whole, damaged, hostile. */
import { describe, expect, test } from "vitest";
import { ServingError } from "../../../../core/errors.ts";
import { memoryModelFiles } from "../../../../core/repository/memory.ts";
import { parseGguf, readGguf } from "../../../../partitioner/sources/gguf.ts";
import { type FileTensor, ggufFile } from "../checkpoint-files.ts";

const f32 = (...values: number[]) => new Uint8Array(Float32Array.from(values).buffer);
const VECTOR: FileTensor = { shape: [2], type: "F32", bytes: f32(1, 2) };
const filesOf = (bytes: Uint8Array) => memoryModelFiles(new Map([["1/model.gguf", bytes]]));
const read = (bytes: Uint8Array) => readGguf(filesOf(bytes), "1/model.gguf");
const parse = (bytes: Uint8Array) => parseGguf(bytes, { name: "m", fileBytes: bytes.length });

describe("a GGUF header", () => {
  test("gives metadata of every kind, long arrays too", async () => {
    const tokens = Array.from({ length: 5_000 }, (_, index) => `token ${index} é`);
    const file = await read(
      ggufFile({ a: "text", b: { u32: 7 }, c: { f32: 0.5 }, d: true, e: { u64: 2n ** 60n }, f: { u64: 9n }, tokens }, { x: VECTOR }),
    );
    expect(Object.fromEntries(file.metadata)).toEqual({ a: "text", b: 7, c: 0.5, d: true, e: 2n ** 60n, f: 9, tokens });
  });

  test("is read in further pieces when the first is too short", async () => {
    const tokens = Array.from({ length: 300_000 }, (_, index) => `a token that takes some forty bytes ${index}`);
    const file = await read(ggufFile({ tokens }, { x: VECTOR }));
    expect(file.metadata.get("tokens")).toHaveLength(300_000);
    expect(file.tensors.get("x")?.dimensions).toEqual([2]);
  });

  test("places tensors where their bytes lie, columns first", async () => {
    const bytes = ggufFile(
      { a: "b" },
      { x: { shape: [3, 2], type: "F32", bytes: f32(1, 2, 3, 4, 5, 6) }, y: { shape: [4], type: "F32", bytes: f32(7, 8, 9, 10) } },
    );
    const { tensors } = await read(bytes);
    expect(tensors.get("x")?.dimensions).toEqual([2, 3]);
    const offset = tensors.get("y")?.offset ?? 0;
    expect(bytes.slice(offset, offset + 16)).toEqual(f32(7, 8, 9, 10));
  });

  test("cut off anywhere is damaged, and never anything else", () => {
    const whole = ggufFile({ name: "x", tokens: ["a", "bc"], n: { u64: 3n } }, { x: VECTOR, y: VECTOR });
    expect(parse(whole).tensors.size).toBe(2);
    for (let length = 0; length < whole.length - 24; length++) {
      expect(() => parse(whole.slice(0, length)), `${length} bytes`).toThrow(expect.objectContaining({ code: "DATA_LOSS" }));
    }
  });

  test("with any byte changed is read or refused, and never breaks the reader", () => {
    const whole = ggufFile({ "general.alignment": { u32: 32 }, name: "x", tokens: ["a", "bc"] }, { x: VECTOR });
    for (let at = 0; at < whole.length; at++) {
      for (const value of [0, 1, 9, 127, 255]) {
        const changed = Uint8Array.from(whole);
        changed[at] = value;
        try {
          parse(changed);
        } catch (thrown) {
          expect(thrown, `byte ${at} = ${value}`).toBeInstanceOf(ServingError);
        }
      }
    }
  });

  test("claims about sizes are checked before memory is taken for them", () => {
    const bytes = ggufFile({ tokens: ["a"] }, {});
    new DataView(bytes.buffer).setBigUint64(24 + 8 + 6 + 4 + 4, 2n ** 40n, true); // the array's length
    expect(() => parse(bytes)).toThrow(expect.objectContaining({ code: "DATA_LOSS" }));
  });

  test.each([
    ["that is another format", Uint8Array.of(80, 75, 3, 4, 0, 0, 0, 0), "DATA_LOSS", "does not begin with 'GGUF'"],
    ["of version 1", Uint8Array.of(71, 71, 85, 70, 1, 0, 0, 0), "UNIMPLEMENTED", "GGUF version 1"],
    ["with a tensor past the end", ggufFile({}, { x: { ...VECTOR, shape: [2, 1_000_000] } }), "DATA_LOSS", "tensor 'x' passes the end"],
    [
      "with rows that fill no block",
      ggufFile({}, { x: { shape: [2, 33], type: "Q8_0", bytes: new Uint8Array(68) } }),
      "DATA_LOSS",
      "do not fill",
    ],
    ["with five dimensions", ggufFile({}, { x: { ...VECTOR, shape: [1, 1, 1, 1, 2] } }), "DATA_LOSS", "has 5 dimensions"],
    ["with an odd alignment", ggufFile({ "general.alignment": { u32: 48 } }, {}), "DATA_LOSS", "general.alignment"],
  ])("a file %s is refused", async (_, bytes, code, message) => {
    await expect(read(bytes)).rejects.toMatchObject({ code, message: expect.stringContaining(message) });
  });
});
