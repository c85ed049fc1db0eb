/** What is remembered of inference requests: what many of them say alike, and no more than a little. */
import { expect, test } from "vitest";
import { KnownHeads } from "../../../../../gateway/kserve/infer/known-heads.ts";

const LIMITS = { bytesMax: 1_000 };
const IN = { name: "IN", shape: [1, 2], datatype: "FP32" };
const BINARY = { ...IN, parameters: { binary_data_size: 8 } };
const again = (request: object) => {
  const heads = new KnownHeads();
  const text = JSON.stringify(request);
  const first = heads.read(text, LIMITS);
  return heads.read(text, LIMITS) === first;
};

test("what clients say before the bytes of their tensors is read once", () => {
  expect(again({ inputs: [BINARY] })).toBe(true);
  expect(again({ inputs: [BINARY], outputs: [{ name: "OUT", parameters: { binary_data: true } }] })).toBe(true);
  expect(again({ inputs: [BINARY], parameters: { binary_data_output: true } })).toBe(true);
});

test("what tells one request from another is read each time", () => {
  expect(again({ id: "1", inputs: [BINARY] })).toBe(false);
  expect(again({ parameters: { sequence_id: 7 }, inputs: [BINARY] })).toBe(false);
  expect(again({ inputs: [{ ...IN, data: [1, 2] }] })).toBe(false);
  expect(again({ inputs: [{ ...BINARY, name: "x".repeat(2_048) }] })).toBe(false);
});

test("what is refused is refused again", () => {
  const heads = new KnownHeads();
  const text = JSON.stringify({ inputs: [{ ...BINARY, datatype: "FP33" }] });
  for (let turn = 0; turn < 2; turn++) expect(() => heads.read(text, LIMITS)).toThrow("invalid datatype for input IN");
});

test("a client that names something else each time costs no more memory", () => {
  const heads = new KnownHeads();
  const text = (name: string) => JSON.stringify({ inputs: [{ ...BINARY, name }] });
  const first = heads.read(text("first"), LIMITS);
  for (let other = 0; other < 256; other++) heads.read(text(`other ${other}`), LIMITS);
  expect(heads.read(text("first"), LIMITS)).not.toBe(first);
});
