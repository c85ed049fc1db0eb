/** Frames between agents and runners of whole models arrive as they were sent, however the stream is cut. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ServingError } from "../../../../core/errors.ts";
import { DTYPES, isDtype } from "../../../../core/tensor/dtype.ts";
import { byteSize, joinBytesElements, type Tensor } from "../../../../core/tensor/tensor.ts";
import { BatchHeads } from "../../../../core/wire/batch-heads.ts";
import type { ModelSignature, OpenModel } from "../../../../core/wire/model-runner.ts";
import { MODEL_FRAME_KINDS, type ModelFrameHead, ModelFrameParser, modelFrame } from "../../../../core/wire/model-wire.ts";
import { BatchCodec, decodeBatch, encodeResult } from "../../../../core/wire/model-wire-batch.ts";
import {
  decodeFailure,
  decodeOpen,
  decodeSignature,
  encodeFailure,
  encodeOpen,
  encodeSignature,
} from "../../../../core/wire/model-wire-open.ts";

const SEED = 4711;

interface Sent {
  readonly kind: ModelFrameHead["kind"];
  readonly number: number;
  readonly head: Uint8Array;
  readonly payload: Uint8Array;
}

const sentOf: fc.Arbitrary<Sent> = fc.record({
  kind: fc.constantFrom(...MODEL_FRAME_KINDS),
  number: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
  head: fc.uint8Array({ maxLength: 40 }),
  payload: fc.uint8Array({ maxLength: 200 }),
});

const bytesOf = ({ kind, number, head, payload }: Sent) =>
  Buffer.concat([modelFrame({ kind, number, head }, payload.byteLength, 0), payload]);

/** All frames of a stream that comes in one buffer which is used again for every chunk, as a runner's does. */
function received(stream: Uint8Array, sizes: readonly number[], rooms: boolean): Sent[] {
  const found: Sent[] = [];
  let head: Uint8Array = new Uint8Array();
  let parts: readonly Uint8Array[] = [];
  const parser = new ModelFrameParser({
    room(frame) {
      head = new Uint8Array(frame.head);
      const half = frame.payloadBytes >> 1;
      parts = rooms ? [new Uint8Array(half), new Uint8Array(), new Uint8Array(frame.payloadBytes - half)] : [];
      return rooms ? parts : undefined;
    },
    frame: ({ kind, number }, payload) =>
      found.push({ kind, number, head, payload: new Uint8Array(Buffer.concat(rooms ? parts : payload)) }),
  });
  const buffer = new Uint8Array(1000);
  for (let at = 0, turn = 0; at < stream.byteLength; turn++) {
    const size = sizes[turn % sizes.length] ?? 1;
    const chunk = stream.subarray(at, at + size);
    buffer.fill(0xee);
    buffer.set(chunk);
    parser.push(buffer.subarray(0, chunk.byteLength));
    at += chunk.byteLength;
  }
  return found;
}

describe("frames", () => {
  test.each([true, false])("arrive whole and in order however the stream is cut, rooms for payloads: %s", (rooms) => {
    const sizesOf = fc.array(fc.integer({ min: 1, max: 300 }), { minLength: 1, maxLength: 8 });
    fc.assert(
      fc.property(fc.array(sentOf, { maxLength: 8 }), sizesOf, (sent, sizes) => {
        const plain = (frames: readonly Sent[]) =>
          frames.map(({ head, payload, ...frame }) => ({ ...frame, head: [...head], payload: [...payload] }));
        expect(plain(received(Buffer.concat(sent.map(bytesOf)), sizes, rooms))).toEqual(plain(sent));
      }),
      { seed: SEED, numRuns: 500 },
    );
  });

  test.each(["pieces", undefined] as const)("keep what they need of chunks that are not theirs to let go, given as %s", (room) => {
    const sizesOf = fc.array(fc.integer({ min: 1, max: 100 }), { minLength: 1, maxLength: 8 });
    fc.assert(
      fc.property(fc.array(sentOf, { minLength: 1, maxLength: 8 }), sizesOf, (sent, sizes) => {
        const found: Buffer[] = [];
        const parser = new ModelFrameParser({
          room: () => room,
          frame: ({ head }, payload) => found.push(Buffer.concat([head, ...payload])),
        });
        const stream = Buffer.concat(sent.map(bytesOf));
        for (let at = 0, turn = 0; at < stream.byteLength; turn++) {
          const chunk = new Uint8Array(stream.subarray(at, at + (sizes[turn % sizes.length] ?? 1)));
          at += chunk.byteLength;
          if (!parser.push(chunk)) chunk.fill(0xee);
        }
        expect(found).toEqual(sent.map(({ head, payload }) => Buffer.concat([head, payload])));
      }),
      { seed: SEED, numRuns: 500 },
    );
  });

  test("a payload that arrived with its head is a view, not a copy", () => {
    const chunk = bytesOf({ kind: "result", number: 1, head: Uint8Array.of(1), payload: Uint8Array.of(2, 3) });
    let got: Uint8Array | undefined;
    new ModelFrameParser({ room: () => undefined, frame: (_, [payload]) => (got = payload) }).push(chunk);
    expect(got?.buffer).toBe(chunk.buffer);
  });

  test.each([
    ["an unknown kind", 0, 99, /unknown kind 99/],
    ["a head beyond the limit", 8, 2 ** 25, /head of 33554432 bytes/],
    ["a payload beyond the limit", 12, 2 ** 31, /2147483648 bytes of tensors/],
  ])("%s is refused before it is received", (_, offset, value, message) => {
    const header = modelFrame({ kind: "open", number: 0, head: new Uint8Array() }, 0, 0);
    header.writeUInt32LE(value, offset);
    const parser = new ModelFrameParser({ room: () => undefined, frame: () => {} });
    expect(() => parser.push(header)).toThrow(message);
  });

  test("rooms of another size than the payload are refused", () => {
    const parser = new ModelFrameParser({ room: () => [new Uint8Array(3)], frame: () => {} });
    const frame = bytesOf({ kind: "execute", number: 1, head: new Uint8Array(), payload: new Uint8Array(2) });
    expect(() => parser.push(frame)).toThrow(/2 bytes of tensors where 3 belong/);
  });
});

const dtypeOf = fc.constantFrom(...Object.keys(DTYPES).filter(isDtype));
const shapeOf = fc.array(fc.integer({ min: 0, max: 4 }), { maxLength: 4 });

const tensorOf: fc.Arbitrary<Omit<Tensor, "name">> = fc.tuple(dtypeOf, shapeOf).chain(([dtype, shape]) => {
  const bytes = byteSize(dtype, shape);
  const count = shape.reduce((product, size) => product * size, 1);
  const data =
    bytes === undefined
      ? fc.array(fc.uint8Array({ maxLength: 5 }), { minLength: count, maxLength: count }).map(joinBytesElements)
      : fc.uint8Array({ minLength: bytes, maxLength: bytes });
  return data.map((made) => ({ dtype, shape, data: made }));
});

const tensorsOf = fc
  .array(tensorOf, { minLength: 1, maxLength: 4 })
  .map((tensors) => tensors.map((tensor, place): Tensor => ({ ...tensor, name: `t${place}` })));

const signatureOf = (tensors: readonly Tensor[]): ModelSignature => {
  const ports = tensors.map(({ name, dtype, shape }) => ({ name, dtype, shape: shape.map(() => -1), optional: false }));
  return { inputs: ports, outputs: ports };
};

describe("batches and results", () => {
  test("a batch arrives as it was sent, whichever inputs it has", () => {
    fc.assert(
      fc.property(tensorsOf, fc.nat(3), (tensors, left) => {
        const signature = signatureOf(tensors);
        const sent = tensors.filter((_, place) => place !== left);
        const outputs = tensors.map(({ name }) => name).reverse();
        const inputs = sent.map(({ name, dtype, shape, data }) => ({
          head: { name, dtype, shape },
          parts: [data.subarray(0, 3), data.subarray(3)],
        }));
        const encoded = new BatchCodec(signature).encodeBatch({ inputs, outputs });
        const decoded = decodeBatch(encoded.head, signature);
        expect(decoded.inputs.map(({ port: _, byteLength, ...head }) => [head, byteLength])).toEqual(
          sent.map(({ data, ...head }) => [head, data.byteLength]),
        );
        expect(decoded.outputs.map((port) => signature.outputs[port]?.name)).toEqual(outputs);
        expect(Buffer.concat(encoded.parts)).toEqual(Buffer.concat(sent.map(({ data }) => data)));
        expect(encoded.payloadBytes).toBe(sent.reduce((sum, { data }) => sum + data.byteLength, 0));
      }),
      { seed: SEED, numRuns: 300 },
    );
  });

  test("a head with the bytes of the one before it is the same batch, however the caller uses its bytes again", () => {
    const signature = signatureOf([x]);
    const heads = new BatchHeads(signature);
    const headOf = (rows: number) => codec.encodeBatch(batch({ ...x, shape: [rows], data: new Uint8Array(4 * rows) })).head;
    const [two, three] = [headOf(2), headOf(3)];
    const first = heads.read(two);
    expect(heads.read(headOf(2))).toBe(first);
    two.set(three);
    expect(heads.read(two)).toEqual(decodeBatch(three, signature));
    expect(heads.read(headOf(2))).toEqual(first);
  });

  test("a result arrives as it was sent, its tensors plain views of the payload", () => {
    fc.assert(
      fc.property(tensorsOf, (tensors) => {
        const times = { inputUs: 1.5, inferUs: 2.5, outputUs: 3.5 };
        const encoded = encodeResult(
          tensors.map((tensor, port) => ({ port, head: tensor, data: tensor.data })),
          times,
        );
        const payload = Buffer.concat(encoded.parts);
        const result = new BatchCodec(signatureOf(tensors)).decodeResult(encoded.head, [payload]);
        expect(result).toEqual({ ...times, outputs: tensors.map((tensor) => ({ ...tensor, data: new Uint8Array(tensor.data) })) });
        for (const { data } of result.outputs) expect([data.constructor, data.buffer]).toEqual([Uint8Array, payload.buffer]);
      }),
      { seed: SEED, numRuns: 300 },
    );
  });

  const x: Tensor = { name: "x", dtype: "FP32", shape: [2], data: new Uint8Array(8) };
  const codec = new BatchCodec(signatureOf([x]));
  const batch = (tensor: Tensor, outputs = ["x"]) => ({ inputs: [{ head: tensor, parts: [tensor.data] }], outputs });

  test.each([
    ["an input that the model has not", batch({ ...x, name: "z" }), "unexpected inference input 'z', allowed inputs are: x"],
    ["an output that the model has not", batch(x, ["z"]), "unexpected inference output 'z', allowed outputs are: x"],
    ["another datatype", batch({ ...x, dtype: "INT32" }), "input 'x' has datatype INT32, the model takes FP32"],
    ["bytes that are not its shape's", batch({ ...x, shape: [3] }), "input 'x' of shape [3] and datatype FP32 has 12 bytes, got 8"],
  ])("%s is refused before it is sent", (_, refused, message) => {
    expect(() => codec.encodeBatch(refused)).toThrow(message);
  });

  test("cut or damaged heads are refused, never misread", () => {
    const { head } = codec.encodeBatch(batch(x));
    for (let length = 0; length < head.byteLength; length++)
      expect(() => decodeBatch(head.subarray(0, length), signatureOf([x]))).toThrow(ServingError);
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
        try {
          decodeBatch(bytes, signatureOf([x]));
          codec.decodeResult(bytes, []);
        } catch (thrown) {
          expect(thrown).toMatchObject({ code: "INVALID_ARGUMENT" });
        }
      }),
      { seed: SEED, numRuns: 500 },
    );
  });
});

describe("opening", () => {
  const model: OpenModel = {
    file: "/models/ä/model.onnx",
    intraThreads: 2,
    interThreads: 0,
    optimization: 1,
    execution: "parallel",
    memoryArena: false,
    memoryPattern: true,
    configEntries: { "session.dynamic_block_base": "4" },
  };

  test("a model, its signature and a failure arrive as they were sent", () => {
    expect(decodeOpen(encodeOpen(model))).toEqual(model);
    const signature = signatureOf([{ name: "x", dtype: "BF16", shape: [1, 2], data: new Uint8Array() }]);
    expect(decodeSignature(encodeSignature(signature))).toEqual(signature);
    const failure = new ServingError("NOT_FOUND", "gone", { reason: "why" });
    expect(decodeFailure(encodeFailure(failure))).toMatchObject({ code: "NOT_FOUND", message: "gone", reason: "why" });
    expect(decodeFailure(encodeFailure(new ServingError("INTERNAL", "x"))).reason).toBeUndefined();
  });

  test.each(["", "null", "[]", "{}", JSON.stringify({ ...model, optimization: 3 }), JSON.stringify({ ...model, configEntries: { a: 1 } })])(
    "what is no model is refused: %s",
    (text) => {
      expect(() => decodeOpen(new TextEncoder().encode(text))).toThrow(/has no valid/);
    },
  );
});
