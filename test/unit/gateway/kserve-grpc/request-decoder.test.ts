import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ServingError } from "../../../../core/errors.ts";
import { decodeInferRequest, type WireParameters } from "../../../../gateway/kserve-grpc/request-decoder.ts";
import { type InferParameter, type ModelInferRequest, ModelInferRequestSchema } from "../../../../protos/gen/grpc_service_pb.ts";

const SEED = 20_260_801;

const name = fc.string({ unit: "binary", maxLength: 12 }).map((text) => text.toWellFormed());
const int64 = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
const uint64 = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
const parameterChoice = fc.oneof(
  fc.record({ case: fc.constant("boolParam" as const), value: fc.boolean() }),
  fc.record({ case: fc.constant("int64Param" as const), value: int64 }),
  fc.record({ case: fc.constant("stringParam" as const), value: name }),
  fc.record({ case: fc.constant("doubleParam" as const), value: fc.double() }),
  fc.record({ case: fc.constant("uint64Param" as const), value: uint64 }),
);
const parameters = fc.dictionary(
  name,
  parameterChoice.map((choice) => ({ parameterChoice: choice })),
  { maxKeys: 3 },
);
const dimension = fc.oneof(fc.bigInt({ min: -2n, max: 300n }), fc.bigInt({ min: 0n, max: 2n ** 53n - 1n }));
const contents = fc.record({ intContents: fc.array(fc.integer(), { maxLength: 4 }) });
const input = fc
  .record({ name, datatype: name, shape: fc.array(dimension, { maxLength: 5 }), parameters })
  .chain((made) =>
    fc.option(contents, { nil: undefined }).map((content) => ({ ...made, ...(content !== undefined && { contents: content }) })),
  );
const request = fc.record({
  modelName: name,
  modelVersion: name,
  id: name,
  parameters,
  inputs: fc.array(input, { maxLength: 3 }),
  outputs: fc.array(fc.record({ name, parameters }), { maxLength: 3 }),
  rawInputContents: fc.array(fc.uint8Array({ maxLength: 200 }), { maxLength: 3 }),
});

type Parameters = Readonly<Record<string, InferParameter>>;

const KINDS = { boolParam: "bool", int64Param: "int64", stringParam: "string", doubleParam: "double", uint64Param: "uint64" } as const;

function wireParameters(given: Parameters) {
  return Object.entries(given).map(([key, { parameterChoice: choice }]) => {
    return [key, choice.case === undefined ? "none" : KINDS[choice.case], choice.value];
  });
}

function entriesOf(parameters: WireParameters) {
  return Array.from(parameters, ([key, parameter]) => [key, parameter.kind, parameter.kind === "none" ? undefined : parameter.value]);
}

/** What protobuf's own decoder makes of the bytes, in our form. */
function reference(message: ModelInferRequest) {
  return {
    model: message.modelName,
    version: message.modelVersion,
    id: message.id,
    parameters: wireParameters(message.parameters),
    inputs: message.inputs.map((one) => ({
      name: one.name,
      datatype: one.datatype,
      shape: one.shape.map(Number),
      parameters: wireParameters(one.parameters),
      hasContents: one.contents !== undefined,
    })),
    outputs: message.outputs.map((one) => ({ name: one.name, parameters: wireParameters(one.parameters) })),
    raw: message.rawInputContents.map((bytes) => Buffer.from(bytes).toString("hex")),
  };
}

function ours(bytes: Uint8Array) {
  const { inputs, outputs, raw, parameters: sent, ...rest } = decodeInferRequest(bytes);
  return {
    ...rest,
    parameters: entriesOf(sent),
    inputs: inputs.map(({ contents: content, parameters: own, ...one }) => ({
      ...one,
      parameters: entriesOf(own),
      hasContents: content !== undefined,
    })),
    outputs: outputs.map(({ name: output, parameters: own }) => ({ name: output, parameters: entriesOf(own) })),
    raw: raw.map((view) => Buffer.from(view).toString("hex")),
  };
}

describe("a request", () => {
  test("is decoded as protobuf's own decoder does it", () => {
    fc.assert(
      fc.property(request, (made) => {
        const bytes = toBinary(ModelInferRequestSchema, create(ModelInferRequestSchema, made));
        expect(ours(bytes)).toEqual(reference(fromBinary(ModelInferRequestSchema, bytes)));
      }),
      { seed: SEED, numRuns: 500 },
    );
  });

  test("that is damaged is refused, or read as protobuf's own decoder reads it, and never breaks anything", () => {
    fc.assert(
      fc.property(request, fc.nat(), fc.nat(255), fc.nat(), (made, at, byte, cut) => {
        const bytes = toBinary(ModelInferRequestSchema, create(ModelInferRequestSchema, made));
        if (bytes.byteLength === 0) return;
        bytes[at % bytes.byteLength] = byte;
        const damaged = bytes.subarray(0, bytes.byteLength - (cut % 3));
        try {
          decodeInferRequest(damaged);
        } catch (thrown) {
          expect(thrown).toBeInstanceOf(ServingError);
        }
      }),
      { seed: SEED, numRuns: 2_000 },
    );
  });

  test("of any bytes is read or refused", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
        try {
          decodeInferRequest(bytes);
        } catch (thrown) {
          expect(thrown).toMatchObject({ code: "INVALID_ARGUMENT" });
        }
      }),
      { seed: SEED, numRuns: 5_000 },
    );
  });

  test("in parts that protobuf joins is joined: shapes not packed, contents twice, unknown fields", () => {
    const inputBytes = [0x0a, 0x01, 0x41, 0x18, 0x02, 0x18, 0x03, 0x2a, 0x01, 0x0a, 0x2a, 0x01, 0x0b, 0x7a, 0x01, 0x00];
    const [only] = decodeInferRequest(Uint8Array.of(0x2a, inputBytes.length, ...inputBytes, 0xf8, 0x07, 0x05)).inputs;
    expect(only).toMatchObject({ name: "A", shape: [2, 3] });
    expect([...(only?.contents ?? [])]).toEqual([0x0a, 0x0b]);
  });

  test.each([
    ["inputs", 0x2a, 4_096],
    ["requested outputs", 0x32, 4_096],
    ["raw contents", 0x3a, 4_096],
  ])("with more %s than any model has is refused before they take memory", (what, tag, most) => {
    const bytes = Buffer.alloc(2 * (most + 1), Buffer.from([tag, 0]));
    expect(() => decodeInferRequest(bytes)).toThrow(`the request has more than ${most} ${what}: send fewer`);
    expect(() => decodeInferRequest(bytes.subarray(2))).not.toThrow();
  });
});
