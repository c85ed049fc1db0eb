import { create, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { DTYPES, type Dtype } from "../../../../core/tensor/dtype.ts";
import { joinBytesElements } from "../../../../core/tensor/tensor.ts";
import { contentsData } from "../../../../gateway/kserve-grpc/typed-contents.ts";
import { InferTensorContentsSchema } from "../../../../protos/gen/grpc_service_pb.ts";

const SEED = 20_260_801;

type Contents = MessageInitShape<typeof InferTensorContentsSchema>;

const encode = (contents: Contents) => toBinary(InferTensorContentsSchema, create(InferTensorContentsSchema, contents));
const read = (contents: Contents, dtype: Dtype | undefined) => contentsData(encode(contents), { input: "I", model: "M", dtype });
const bytesOf = (values: { readonly buffer: ArrayBufferLike }) => new Uint8Array(values.buffer.slice(0));

const int64 = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
const uint64 = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
const unsigned = fc.integer({ min: 0, max: 2 ** 32 - 1 });

describe("typed contents become the bytes of a tensor", () => {
  test.each<[Dtype, fc.Arbitrary<readonly [Contents, Uint8Array]>]>([
    ["BOOL", fc.array(fc.boolean()).map((all) => [{ boolContents: all }, Uint8Array.from(all, Number)])],
    ["INT8", fc.array(fc.integer()).map((all) => [{ intContents: all }, bytesOf(Int8Array.from(all))])],
    ["INT16", fc.array(fc.integer()).map((all) => [{ intContents: all }, bytesOf(Int16Array.from(all))])],
    ["INT32", fc.array(fc.integer()).map((all) => [{ intContents: all }, bytesOf(Int32Array.from(all))])],
    ["INT64", fc.array(int64).map((all) => [{ int64Contents: all }, bytesOf(BigInt64Array.from(all))])],
    ["UINT8", fc.array(unsigned).map((all) => [{ uintContents: all }, bytesOf(Uint8Array.from(all))])],
    ["UINT16", fc.array(unsigned).map((all) => [{ uintContents: all }, bytesOf(Uint16Array.from(all))])],
    ["UINT32", fc.array(unsigned).map((all) => [{ uintContents: all }, bytesOf(Uint32Array.from(all))])],
    ["UINT64", fc.array(uint64).map((all) => [{ uint64Contents: all }, bytesOf(BigUint64Array.from(all))])],
    ["FP32", fc.array(fc.float()).map((all) => [{ fp32Contents: all }, bytesOf(Float32Array.from(all))])],
    ["FP64", fc.array(fc.double()).map((all) => [{ fp64Contents: all }, bytesOf(Float64Array.from(all))])],
    ["BYTES", fc.array(fc.uint8Array({ maxLength: 20 })).map((all) => [{ bytesContents: all }, joinBytesElements(all)])],
  ])("%s", (dtype, cases) => {
    fc.assert(
      fc.property(cases, ([contents, expected]) => {
        expect(Buffer.from(read(contents, dtype)).toString("hex")).toBe(Buffer.from(expected).toString("hex"));
      }),
      { seed: SEED, numRuns: 200 },
    );
  });

  test("numbers that are not packed count as well", () => {
    expect([...contentsData(Uint8Array.of(0x10, 0x05, 0x12, 0x02, 0x06, 0x07), { input: "I", model: "M", dtype: "INT8" })]).toEqual([
      5, 6, 7,
    ]);
  });

  test.each<[string, Contents, Dtype | undefined]>([
    ["INT32", { intContents: [1] }, "FP32"],
    ["UINT32", { uintContents: [1] }, "INT32"],
    ["FP32", { fp32Contents: [1] }, "FP16"],
    ["BYTES", { bytesContents: [Uint8Array.of(1)] }, "BF16"],
    ["BOOL", { boolContents: [true] }, undefined],
    ["FP64", { intContents: [1], fp64Contents: [1] }, "INT32"],
  ])("%s contents for another datatype are refused in Triton's words", (type, contents, dtype) => {
    expect(() => read(contents, dtype)).toThrow(
      `unexpected explicit tensor data for input tensor 'I' for model 'M' of type '${type}', expected datatype '${dtype ?? "<invalid>"}'`,
    );
  });

  test("more than 64 MiB are refused before they are made", () => {
    const packed = Buffer.alloc(8 * 1024 * 1024 + 1);
    const contents = Buffer.concat([Buffer.from([0x1a, 0x81, 0x80, 0x80, 0x04]), packed]);
    expect(() => contentsData(contents, { input: "I", model: "M", dtype: "INT64" })).toThrow(
      expect.objectContaining({ code: "RESOURCE_EXHAUSTED" }),
    );
    expect(DTYPES.INT64.bytes).toBe(8);
  });

  test("any bytes are read or refused", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), fc.constantFrom<Dtype>("INT32", "FP32", "BYTES", "BOOL"), (bytes, dtype) => {
        try {
          contentsData(bytes, { input: "I", model: "M", dtype });
        } catch (thrown) {
          expect(thrown).toMatchObject({ code: "INVALID_ARGUMENT" });
        }
      }),
      { seed: SEED, numRuns: 2_000 },
    );
  });
});
