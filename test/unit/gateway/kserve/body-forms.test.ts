/** How a body is cut, inflated and taken for a tensor. */
import { gzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import type { Dtype } from "../../../../core/tensor/dtype.ts";
import { deflate, inflate, requestEncoding, responseEncoding } from "../../../../gateway/kserve/content-encoding.ts";
import { BodyBytes } from "../../../../gateway/kserve/infer/body-bytes.ts";
import { headerLength } from "../../../../gateway/kserve/infer/header-length.ts";
import { rawInput } from "../../../../gateway/kserve/infer/raw-request.ts";
import type { ModelView } from "../../../../gateway/serving/model-catalog.ts";

test("bytes of one piece are views, bytes over several are joined", () => {
  const segments = [Uint8Array.of(1, 2, 3, 4), Uint8Array.of(5), Uint8Array.of(6, 7)];
  const bytes = new BodyBytes({ byteLength: 7, segments });
  const first = bytes.take(3);
  expect([first, first.buffer === segments[0]?.buffer, bytes.left]).toEqual([Uint8Array.of(1, 2, 3), true, 4]);
  expect([bytes.take(3), bytes.take(0), bytes.take(1), bytes.left]).toEqual([
    Uint8Array.of(4, 5, 6),
    new Uint8Array(),
    Uint8Array.of(7),
    0,
  ]);
});

describe("Inference-Header-Content-Length", () => {
  test.each([
    [undefined, 10],
    ["0", 0],
    ["10", 10],
    [" 7 ", 7],
  ])("%s of ten bytes is %i", (header, expected) => {
    expect(headerLength(header, 10)).toBe(expected);
  });

  test.each([
    ["abc", "Unable to parse Inference-Header-Content-Length, got: abc"],
    ["1.5", "Unable to parse Inference-Header-Content-Length, got: 1.5"],
    ["-1", "inference header size should be in range (0, 10), got: -1"],
    ["11", "inference header size should be in range (0, 10), got: 11"],
    ["2147483648", "Unable to parse Inference-Header-Content-Length, value is out of range [ -2147483648, 2147483647 ], got: 2147483648"],
  ])("%s is refused", (header, message) => {
    expect(() => headerLength(header, 10)).toThrow(expect.objectContaining({ code: "INVALID_ARGUMENT", message }));
  });
});

describe("compression", () => {
  test.each([
    [undefined, "identity"],
    ["", "identity"],
    ["identity", "identity"],
    ["gzip", "gzip"],
    ["deflate", "deflate"],
    ["br", "unknown"],
  ])("Content-Encoding %s is %s", (header, expected) => {
    expect(requestEncoding(header)).toBe(expected);
  });

  test.each([
    [undefined, "identity"],
    ["*", "identity"],
    ["br", "identity"],
    ["gzip", "gzip"],
    ["gzip, deflate", "gzip"],
    ["deflate, gzip", "deflate"],
    ["deflate;q=0.5, gzip;q=0.9", "gzip"],
    ["gzip;q=0", "identity"],
    ["identity, gzip", "identity"],
    ["identity;q=0.5, gzip;q=0.6", "gzip"],
  ])("Accept-Encoding %s is answered with %s", (header, expected) => {
    expect(responseEncoding(header)).toBe(expected);
  });

  test.each(["gzip", "deflate"] as const)("%s goes there and back", async (encoding) => {
    expect(await inflate(encoding, await deflate(encoding, "text"), 100)).toEqual(new Uint8Array(Buffer.from("text")));
  });

  test("a body is inflated no further than the limit, and only when it is so compressed", async () => {
    const bomb = gzipSync(Buffer.alloc(10_000_000));
    await expect(inflate("gzip", bomb, 1_000)).rejects.toThrow(
      "Decompressed data size exceeds the maximum allowed value of 1000 bytes. Use --http-max-input-size to increase the limit.",
    );
    await expect(inflate("deflate", bomb, 1_000)).rejects.toThrow("failed to decompress the request body: it is not deflate");
  });
});

describe("a raw request", () => {
  const view = (dtype: Dtype, shape: readonly number[], maxBatchSize = 0): ModelView => ({
    name: "M",
    version: "1",
    versions: ["1"],
    platform: "x",
    maxBatchSize,
    decoupled: false,
    inputs: [{ name: "IN", dtype, shape, optional: false, ragged: false, labels: [] }],
    outputs: [],
    configJson: "{}",
  });
  const data = new Uint8Array(24);

  test.each([
    [view("FP32", [-1]), [6]],
    [view("FP32", [-1, -1], 8), [1, 6]],
    [view("FP64", [-1, 3]), [1, 3]],
    [view("INT8", [24]), [24]],
    [view("INT16", [-1, 2, -1, 3], 4), [1, 2, 2, 3]],
  ])("%# takes its shape from the model", (model, shape) => {
    expect(rawInput(data, model)).toMatchObject({ name: "IN", shape, data });
  });

  test("of BYTES is one element, whose length the server puts before it", () => {
    const expected = { name: "IN", dtype: "BYTES", shape: [1, 1], data: Uint8Array.of(2, 0, 0, 0, 104, 105) };
    expect(rawInput(Buffer.from("hi"), view("BYTES", [-1, 1], 8))).toEqual(expected);
  });

  test.each([
    [
      { ...view("FP32", [-1]), inputs: [...view("FP32", [-1]).inputs, ...view("FP32", [-1]).inputs] },
      "Raw request must only have 1 input (found 1) to be deduced but got 2 inputs in 'M' model configuration",
    ],
    [view("FP32", [-1, -1]), "The shape of the raw input 'IN' can not be deduced because there are more than one variable-sized dimension"],
    [view("BYTES", [-1]), "For BYTE datatype raw input 'IN', the model must have input shape [1]"],
    [view("FP32", [-1, 5]), "input byte size mismatch for input 'raw_input' for model 'M'. Expected 20, got 24"],
    [view("FP32", [5]), "input byte size mismatch for input 'raw_input' for model 'M'. Expected 20, got 24"],
  ])("%# is refused where the model does not say what it is", (model, message) => {
    const expected = { code: "INVALID_ARGUMENT", message: `[request id: <id_unknown>] ${message}` };
    expect(() => rawInput(data, model)).toThrow(expect.objectContaining(expected));
  });
});
