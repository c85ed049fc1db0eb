import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { ParameterValue } from "../../../../core/messages/parameter-value.ts";
import { DTYPES, type Dtype } from "../../../../core/tensor/dtype.ts";
import type { Message } from "../../../../gateway/grpc/method.ts";
import {
  encodeInferResponse,
  encodeStreamFailure,
  encodeStreamResponse,
  type InferAnswer,
} from "../../../../gateway/kserve-grpc/response-encoder.ts";
import { ModelInferResponseSchema, ModelStreamInferResponseSchema } from "../../../../protos/gen/grpc_service_pb.ts";

const SEED = 20_260_801;

const name = fc.string({ unit: "binary", maxLength: 140 }).map((text) => text.toWellFormed());
const dtypes = Object.keys(DTYPES) as Dtype[];
const dimension = fc.oneof(fc.nat(300), fc.nat({ max: Number.MAX_SAFE_INTEGER }));
const data = fc.oneof(
  fc.uint8Array({ maxLength: 200 }),
  fc.constantFrom(0, 16 * 1024, 16 * 1024 + 1, 40_000).map((length) => new Uint8Array(length).fill(7)),
);
const output = fc.record({ name, dtype: fc.constantFrom(...dtypes), shape: fc.array(dimension, { maxLength: 6 }), data });
const value: fc.Arbitrary<ParameterValue> = fc.oneof(
  fc.boolean(),
  name,
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  fc.double({ noInteger: true }),
);
const answer: fc.Arbitrary<InferAnswer> = fc.record({
  model: name,
  version: name,
  id: name,
  parameters: fc.array(fc.tuple(name, value), { maxLength: 4 }).map((entries) => new Map(entries)),
  outputs: fc.array(output, { maxLength: 4 }),
});

function choiceOf(one: ParameterValue) {
  if (typeof one === "boolean") return { case: "boolParam", value: one } as const;
  if (typeof one === "string") return { case: "stringParam", value: one } as const;
  if (typeof one === "bigint") return { case: "int64Param", value: one } as const;
  return { case: "doubleParam", value: one } as const;
}

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");

/** No Buffer: what is decoded from one is compared with plain arrays. */
const joined = (message: Message) => new Uint8Array(Buffer.concat(message));

const reference = ({ model, version, id, parameters, outputs }: InferAnswer) =>
  create(ModelInferResponseSchema, {
    modelName: model,
    modelVersion: version,
    id,
    parameters: Object.fromEntries(Array.from(parameters, ([key, one]) => [key, { parameterChoice: choiceOf(one) }])),
    outputs: outputs.map((one) => ({ name: one.name, datatype: one.dtype, shape: one.shape.map(BigInt) })),
    rawOutputContents: outputs.map((one) => one.data),
  });

describe("an answer", () => {
  test("has the bytes that protobuf's own encoder gives it", () => {
    fc.assert(
      fc.property(answer, (made) => {
        const message = reference(made);
        const expected = hex(toBinary(ModelInferResponseSchema, message));
        const ours = joined(encodeInferResponse(made));
        // Entries of a map may stand in any order: several are compared as messages.
        const isOrdered = made.parameters.size <= 1;
        expect(hex(isOrdered ? ours : toBinary(ModelInferResponseSchema, fromBinary(ModelInferResponseSchema, ours)))).toBe(expected);
        const inStream = fromBinary(ModelStreamInferResponseSchema, joined(encodeStreamResponse(made))).inferResponse;
        expect(inStream === undefined ? "" : hex(toBinary(ModelInferResponseSchema, inStream))).toBe(expected);
      }),
      { seed: SEED, numRuns: 300 },
    );
  });

  test("hands large outputs on without copying them", () => {
    const large = new Uint8Array(1_000_000);
    const tensor = { name: "A", dtype: "UINT8", shape: [1_000_000], data: large } as const;
    const pieces = encodeInferResponse({
      model: "m",
      version: "1",
      id: "",
      parameters: new Map(),
      outputs: [tensor, { ...tensor, name: "B" }],
    });
    expect(pieces.filter((piece) => piece === large)).toHaveLength(2);
  });

  test("that is a failure names what is known of its request", () => {
    fc.assert(
      fc.property(fc.record({ message: name, model: name, version: name, id: name }), (failure) => {
        const { errorMessage, inferResponse } = fromBinary(ModelStreamInferResponseSchema, joined(encodeStreamFailure(failure)));
        expect({
          message: errorMessage,
          model: inferResponse?.modelName,
          version: inferResponse?.modelVersion,
          id: inferResponse?.id,
        }).toEqual(failure);
      }),
      { seed: SEED, numRuns: 200 },
    );
  });
});
