/** safetensors headers: whole, damaged, hostile. */
import { describe, expect, test } from "vitest";
import { ServingError } from "../../../../core/errors.ts";
import { memoryModelFiles } from "../../../../core/repository/memory.ts";
import { readSafetensors } from "../../../../partitioner/sources/safetensors.ts";
import { type FileTensor, safetensorsFile } from "../checkpoint-files.ts";

const TENSOR: FileTensor = { shape: [2, 3], type: "F32", bytes: new Uint8Array(24) };
const HALF: FileTensor = { shape: [4], type: "F16", bytes: new Uint8Array(8) };
const read = (bytes: Uint8Array) => readSafetensors(memoryModelFiles(new Map([["a.safetensors", bytes]])), "a.safetensors");
const prefixed = (length: bigint, text = "{}") => {
  const bytes = new Uint8Array(8 + text.length);
  new DataView(bytes.buffer).setBigUint64(0, length, true);
  bytes.set(new TextEncoder().encode(text), 8);
  return bytes;
};
/** A file whose second tensor's entry is replaced. */
const withSecond = (entry: { dtype: string; shape: number[]; data_offsets: number[] }) =>
  safetensorsFile({ x: TENSOR, y: HALF }, (header) => Object.assign(header, { y: entry }));

describe("a safetensors header", () => {
  test("places tensors where their bytes lie and passes over the metadata", async () => {
    const bytes = safetensorsFile({ x: TENSOR, y: HALF }, (header) => Object.assign(header, { __metadata__: { format: "pt" } }));
    const tensors = await read(bytes);
    expect([...tensors.keys()]).toEqual(["x", "y"]);
    expect(tensors.get("y")).toMatchObject({ dtype: "F16", shape: [4], offset: bytes.length - 8, bytes: 8 });
  });

  test("may hold scalars and empty tensors", async () => {
    const tensors = await read(
      safetensorsFile({
        s: { shape: [], type: "F32", bytes: new Uint8Array(4) },
        e: { shape: [0, 4], type: "F32", bytes: new Uint8Array() },
      }),
    );
    expect([tensors.get("s")?.bytes, tensors.get("e")?.bytes]).toEqual([4, 0]);
  });

  test("with any byte changed is read or refused, and never breaks the reader", async () => {
    const whole = safetensorsFile({ x: TENSOR, y: HALF }, (header) => Object.assign(header, { __metadata__: { format: "pt" } }));
    for (let at = 0; at < whole.length - TENSOR.bytes.length - HALF.bytes.length; at++) {
      for (const value of [0, 9, 34, 57, 92, 123, 255]) {
        const changed = Uint8Array.from(whole);
        changed[at] = value;
        try {
          for (const { offset, bytes } of (await read(changed)).values()) expect(offset + bytes).toBeLessThanOrEqual(whole.length);
        } catch (thrown) {
          expect(thrown, `byte ${at} = ${value}`).toBeInstanceOf(ServingError);
        }
      }
    }
  });

  test.each([
    ["shorter than its length field", new Uint8Array(7), "it has 7 bytes"],
    ["whose header passes the end", prefixed(100n), "its header claims 100 bytes"],
    ["whose header is impossibly long", prefixed(2n ** 63n), "its header claims"],
    ["whose header is no JSON", prefixed(2n, "{]"), "no valid JSON"],
    ["whose header is no object", prefixed(2n, "[]"), "no JSON object"],
    ["with a tensor that is no object", prefixed(7n, '{"x":1}'), "has no dtype and shape"],
    ["with a tensor past the end", withSecond({ dtype: "F16", shape: [4], data_offsets: [28, 36] }), "passes the end"],
    ["with offsets that run backwards", withSecond({ dtype: "F16", shape: [4], data_offsets: [32, 24] }), "no valid data_offsets"],
    ["with a shape that takes other bytes", withSecond({ dtype: "F16", shape: [5], data_offsets: [24, 32] }), "takes 10 bytes"],
    ["with a negative size", withSecond({ dtype: "F16", shape: [-4], data_offsets: [24, 32] }), "no dtype and shape"],
    ["with overlapping tensors", withSecond({ dtype: "F16", shape: [4], data_offsets: [20, 28] }), "overlaps"],
  ])("of a file %s is refused", async (_, bytes, message) => {
    await expect(read(bytes)).rejects.toMatchObject({ code: "DATA_LOSS", message: expect.stringContaining(message) });
  });
});
