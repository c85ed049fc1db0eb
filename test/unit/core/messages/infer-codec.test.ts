/** Inferences survive the way as they are, and damaged ones never do harm. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ServingError } from "../../../../core/errors.ts";
import type { InferSubmit } from "../../../../core/messages/infer.ts";
import { decodeCalledInfer, decodeInferResult, encodeCalledInfer, encodeInferResult } from "../../../../core/messages/infer-codec.ts";
import type { ParameterValue } from "../../../../core/messages/parameter-value.ts";
import { decodeSubmit, encodeSubmit } from "../../../../core/messages/submit-codec.ts";
import { DTYPES, isDtype } from "../../../../core/tensor/dtype.ts";
import { joinBytesElements, type Tensor } from "../../../../core/tensor/tensor.ts";

const SEED = 20261123;

const tensor: fc.Arbitrary<Tensor> = fc
  .record({
    name: fc.string({ maxLength: 12 }),
    dtype: fc.constantFrom(...Object.keys(DTYPES).filter(isDtype)),
    shape: fc.array(fc.integer({ min: 0, max: 4 }), { maxLength: 4 }),
    fill: fc.integer({ min: 0, max: 255 }),
    texts: fc.array(fc.uint8Array({ maxLength: 9 }), { maxLength: 3 }),
  })
  .map(({ name, dtype, shape, fill, texts }) => {
    if (dtype === "BYTES") return { name, dtype, shape: [texts.length], data: joinBytesElements(texts) };
    const bytes = shape.reduce((product, size) => product * size, DTYPES[dtype].bytes);
    return { name, dtype, shape, data: new Uint8Array(bytes).fill(fill) };
  });

const parameter: fc.Arbitrary<ParameterValue> = fc.oneof(
  fc.string({ maxLength: 9 }),
  fc.boolean(),
  fc.double({ noNaN: true, noDefaultInfinity: true }).filter((value) => !Object.is(value, -0)),
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 64n - 1n }),
);

const parametersOf = ({ minLength }: { readonly minLength: number }) =>
  fc.array(fc.tuple(fc.string({ maxLength: 9 }), parameter), { minLength, maxLength: 4 }).map((entries) => new Map(entries));

const infer: fc.Arbitrary<InferSubmit> = fc.record({
  kind: fc.constant("infer" as const),
  replica: fc.string({ maxLength: 20 }),
  tenant: fc.string({ maxLength: 9 }),
  id: fc.string({ maxLength: 9 }),
  remainingMs: fc.option(fc.integer({ min: 0, max: 1_000_000 }), { nil: undefined }),
  traceparent: fc.string({ maxLength: 55 }),
  priority: fc.nat(),
  queueTimeoutUs: fc.nat(),
  parameters: parametersOf({ minLength: 0 }),
  inputs: fc.array(tensor, { maxLength: 4 }),
  outputs: fc.array(fc.string({ maxLength: 9 }), { maxLength: 3 }),
});

describe("the codec of inferences", () => {
  test("a submit arrives as it was sent, every digit of its integers with it", () => {
    fc.assert(
      fc.property(infer, (body) => {
        expect(decodeSubmit(encodeSubmit({ session: "s", number: 7, body }))).toEqual({ session: "s", number: 7, body });
      }),
      { seed: SEED, numRuns: 300 },
    );
  });

  test("a call arrives as it was sent, and a damaged one is refused", () => {
    const call = fc.record({ infer, caller: fc.nat(2 ** 40), version: fc.option(fc.nat(), { nil: undefined }), depth: fc.nat(16) });
    fc.assert(
      fc.property(call, fc.nat(), ({ infer: { kind, replica, tenant, remainingMs, traceparent, ...content }, ...rest }, at) => {
        const sent = { ...content, ...rest, model: replica };
        const bytes = encodeCalledInfer(sent);
        expect(decodeCalledInfer(bytes)).toEqual(sent);
        expect(() => decodeCalledInfer(bytes.subarray(0, at % bytes.byteLength))).toThrow(ServingError);
      }),
      { seed: SEED, numRuns: 300 },
    );
  });

  test("a result arrives as it was sent", () => {
    const times = { queueUs: 1, computeInputUs: 2.5, computeInferUs: 3, computeOutputUs: 0 };
    fc.assert(
      fc.property(fc.array(tensor, { maxLength: 5 }), parametersOf({ minLength: 1 }), (outputs, parameters) => {
        expect(decodeInferResult(encodeInferResult({ outputs, times }))).toEqual({ outputs, times });
        expect(decodeInferResult(encodeInferResult({ outputs, times, parameters }))).toEqual({ outputs, times, parameters });
      }),
      { seed: SEED, numRuns: 300 },
    );
  });

  test("a damaged submit is refused with INVALID_ARGUMENT, or is another valid one, and nothing else happens", () => {
    fc.assert(
      fc.property(infer, fc.nat(), fc.integer({ min: 1, max: 255 }), fc.boolean(), (body, at, flip, cut) => {
        const bytes = encodeSubmit({ session: "s", number: 7, body }).slice();
        const index = at % bytes.byteLength;
        bytes[index] = (bytes[index] ?? 0) ^ flip;
        try {
          decodeSubmit(cut ? bytes.subarray(0, index) : bytes);
        } catch (thrown) {
          expect(ServingError.from(thrown).code).toBe("INVALID_ARGUMENT");
        }
      }),
      { seed: SEED, numRuns: 2_000 },
    );
  });

  test("a shape that does not fit its bytes is refused before anyone reads them", () => {
    const lie: Tensor = { name: "x", dtype: "FP32", shape: [3], data: new Uint8Array(8) };
    const bytes = encodeInferResult({ outputs: [lie], times: { queueUs: 0, computeInputUs: 0, computeInferUs: 0, computeOutputUs: 0 } });
    expect(() => decodeInferResult(bytes)).toThrow("tensor x has 8 bytes, its shape [3] takes 12");
  });
});
