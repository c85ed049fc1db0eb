/**
 * Inferences as bytes. Names and shapes first, then the tensors' bytes one after another: they are never re-encoded, and a reader
 * takes views of them. Integers are little-endian. Pure.
 */

import { ByteReader } from "../bytes/byte-reader.ts";
import { ByteWriter } from "../bytes/byte-writer.ts";
import { ServingError } from "../errors.ts";
import { DTYPES, type Dtype, isDtype } from "../tensor/dtype.ts";
import { byteSize, type Tensor } from "../tensor/tensor.ts";
import type { CalledInfer, InferResult, InferSubmit } from "./infer.ts";
import { NO_PARAMETERS, type ParameterValue, type ParameterValues } from "./parameter-value.ts";
import type { SequencePassage } from "./sequence-step.ts";

const NO_DEADLINE = -1;
const ANY_VERSION = -1;
const PARAMETER = { text: 0, yesNo: 1, number: 2, integer: 3 } as const;
const DTYPE_NAMES = Object.keys(DTYPES).filter(isDtype);
/** A tensor's head takes at least name, dtype, rank and length. */
const TENSOR_BYTES_MIN = 10;

/** What the tensors and their heads take, about. */
export function inferBytes({ inputs }: Pick<InferSubmit, "inputs">): number {
  return inputs.reduce((sum, { data }) => sum + 96 + data.byteLength, 0);
}

export function writeInfer(writer: ByteWriter, submit: InferSubmit): void {
  writer.text(submit.replica);
  writer.text(submit.tenant);
  writer.text(submit.traceparent);
  writer.f64(submit.remainingMs ?? NO_DEADLINE);
  writePassage(writer, submit.sequence);
  writeContent(writer, submit);
}

export function encodeCalledInfer(call: CalledInfer): Uint8Array {
  const writer = new ByteWriter(384 + inferBytes(call));
  writer.f64(call.caller);
  writer.text(call.model);
  writer.f64(call.version ?? ANY_VERSION);
  writeContent(writer, call);
  return writer.finish();
}

/** What a client asks for, whoever passes it on. */
type Content = Pick<InferSubmit, "id" | "priority" | "queueTimeoutUs" | "parameters" | "inputs" | "outputs" | "depth">;

function writeContent(writer: ByteWriter, submit: Content): void {
  writer.text(submit.id);
  writer.u8(submit.depth ?? 0);
  writer.u32(submit.priority);
  writer.f64(submit.queueTimeoutUs);
  writeParameters(writer, submit.parameters);
  writer.u16(submit.outputs.length);
  for (const name of submit.outputs) writer.text(name);
  writeTensors(writer, submit.inputs);
}

export function readInfer(reader: ByteReader): InferSubmit {
  const replica = reader.text();
  const tenant = reader.text();
  const traceparent = reader.text();
  const remainingMs = reader.finite();
  const sequence = readPassage(reader);
  return {
    kind: "infer",
    replica,
    tenant,
    traceparent,
    remainingMs: remainingMs === NO_DEADLINE ? undefined : remainingMs,
    ...(sequence !== undefined && { sequence }),
    ...readContent(reader),
  };
}

/** The tensors' data are views of `bytes`. @throws ServingError INVALID_ARGUMENT */
export function decodeCalledInfer(bytes: Uint8Array): CalledInfer {
  const reader = new ByteReader(bytes, "a call");
  const caller = reader.finite();
  const model = reader.text();
  const version = reader.finite();
  const { depth = 0, ...content } = readContent(reader);
  reader.end();
  return { caller, model, version: version === ANY_VERSION ? undefined : version, depth, ...content };
}

function readContent(reader: ByteReader): Content {
  const id = reader.text();
  const depth = reader.u8();
  const priority = reader.u32();
  const queueTimeoutUs = reader.finite();
  const parameters = readParameters(reader);
  const outputs: string[] = [];
  for (let left = reader.count(reader.u16(), 4); left > 0; left--) outputs.push(reader.text());
  const inputs = readTensors(reader);
  return { id, ...(depth > 0 && { depth }), priority, queueTimeoutUs, parameters, inputs, outputs };
}

function writePassage(writer: ByteWriter, passage: SequencePassage | undefined): void {
  writer.u8(passage === undefined ? 0 : 1);
  if (passage === undefined) return;
  writer.text(passage.token);
  writer.text(passage.from);
  writer.text(passage.start);
  writer.u32(passage.answered);
}

function readPassage(reader: ByteReader): SequencePassage | undefined {
  if (reader.u8() === 0) return undefined;
  return { token: reader.text(), from: reader.text(), start: reader.text(), answered: reader.u32() };
}

export function encodeInferResult({ outputs, times, parameters = NO_PARAMETERS }: InferResult): Uint8Array {
  const writer = new ByteWriter(64 + inferBytes({ inputs: outputs }));
  writer.f64(times.queueUs);
  writer.f64(times.computeInputUs);
  writer.f64(times.computeInferUs);
  writer.f64(times.computeOutputUs);
  writeParameters(writer, parameters);
  writeTensors(writer, outputs);
  return writer.finish();
}

/** The tensors' data are views of `bytes`. @throws ServingError INVALID_ARGUMENT */
export function decodeInferResult(bytes: Uint8Array): InferResult {
  const reader = new ByteReader(bytes, "an inference's result");
  const times = {
    queueUs: reader.finite(),
    computeInputUs: reader.finite(),
    computeInferUs: reader.finite(),
    computeOutputUs: reader.finite(),
  };
  const parameters = readParameters(reader);
  const outputs = readTensors(reader);
  reader.end();
  return { outputs, times, ...(parameters.size > 0 && { parameters }) };
}

/** Tensors alone, such as a sequence's state. */
export function encodeTensors(tensors: readonly Tensor[]): Uint8Array {
  const writer = new ByteWriter(inferBytes({ inputs: tensors }));
  writeTensors(writer, tensors);
  return writer.finish();
}

/** The tensors' data are views of `bytes`. @throws ServingError INVALID_ARGUMENT */
export function decodeTensors(bytes: Uint8Array): readonly Tensor[] {
  const reader = new ByteReader(bytes, "tensors");
  const tensors = readTensors(reader);
  reader.end();
  return tensors;
}

function writeTensors(writer: ByteWriter, tensors: readonly Tensor[]): void {
  writer.u16(tensors.length);
  for (const { name, dtype, shape, data } of tensors) {
    writer.text(name);
    writer.u8(DTYPE_NAMES.indexOf(dtype));
    writer.u8(shape.length);
    for (const size of shape) writer.f64(size);
    writer.u32(data.byteLength);
  }
  for (const { data } of tensors) writer.bytes(data);
}

function readTensors(reader: ByteReader): readonly Tensor[] {
  const count = reader.count(reader.u16(), TENSOR_BYTES_MIN);
  const heads: ReturnType<typeof readHead>[] = [];
  for (let place = 0; place < count; place++) heads.push(readHead(reader));
  return heads.map(({ name, dtype, shape, byteLength }) => ({ name, dtype, shape, data: reader.bytes(byteLength) }));
}

function readHead(reader: ByteReader) {
  const name = reader.text();
  const dtype: Dtype = DTYPE_NAMES[reader.u8()] ?? reader.fail("has an unknown datatype");
  const rank = reader.count(reader.u8(), 8);
  const shape: number[] = [];
  for (let axis = 0; axis < rank; axis++) {
    const size = reader.f64();
    shape.push(Number.isSafeInteger(size) && size >= 0 ? size : reader.fail("has a shape that is none"));
  }
  const byteLength = reader.u32();
  const expected = byteSize(dtype, shape);
  if (expected !== undefined && expected !== byteLength) {
    throw new ServingError("INVALID_ARGUMENT", `tensor ${name} has ${byteLength} bytes, its shape [${shape.join(",")}] takes ${expected}`);
  }
  return { name, dtype, shape, byteLength };
}

function writeParameters(writer: ByteWriter, parameters: ParameterValues): void {
  writer.u16(parameters.size);
  for (const [name, value] of parameters) writeParameter(writer, name, value);
}

function readParameters(reader: ByteReader): ParameterValues {
  const count = reader.count(reader.u16(), 6);
  return count === 0 ? NO_PARAMETERS : new Map(Array.from({ length: count }, () => readParameter(reader)));
}

function writeParameter(writer: ByteWriter, name: string, value: ParameterValue): void {
  writer.text(name);
  if (typeof value === "string") {
    writer.u8(PARAMETER.text);
    writer.text(value);
  } else if (typeof value === "boolean") {
    writer.u8(PARAMETER.yesNo);
    writer.u8(value ? 1 : 0);
  } else if (typeof value === "number") {
    writer.u8(PARAMETER.number);
    writer.f64(value);
  } else {
    writer.u8(PARAMETER.integer);
    writer.u64(BigInt.asUintN(64, value));
    writer.u8(value < 0n ? 1 : 0);
  }
}

function readParameter(reader: ByteReader): readonly [string, ParameterValue] {
  const name = reader.text();
  const kind = reader.u8();
  if (kind === PARAMETER.text) return [name, reader.text()];
  if (kind === PARAMETER.yesNo) return [name, reader.u8() === 1];
  if (kind === PARAMETER.number) return [name, reader.finite()];
  if (kind !== PARAMETER.integer) reader.fail(`has a parameter of the unknown kind ${kind}`);
  const bits = reader.u64();
  return [name, reader.u8() === 1 ? BigInt.asIntN(64, bits) : bits];
}
