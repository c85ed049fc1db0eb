/**
 * Turns InferTensorContents into a tensor's bytes without a JavaScript value for each element on the way: the elements are counted,
 * then written where they belong. Field numbers are those of protos/grpc_service.proto. Pure.
 */
import { ServingError } from "../../core/errors.ts";
import { DTYPES, type Dtype } from "../../core/tensor/dtype.ts";
import { WIRE_BYTES, WIRE_FIXED32, WIRE_FIXED64, WIRE_VARINT, WireReader } from "./wire-reader.ts";

interface ContentsField {
  /** What may be sent in it. */
  readonly dtypes: readonly Dtype[];
  /** As errors call it. */
  readonly name: Dtype;
  readonly wire: number;
}

/** By field number less one. */
const FIELDS: readonly ContentsField[] = [
  { dtypes: ["BOOL"], name: "BOOL", wire: WIRE_VARINT },
  { dtypes: ["INT8", "INT16", "INT32"], name: "INT32", wire: WIRE_VARINT },
  { dtypes: ["INT64"], name: "INT64", wire: WIRE_VARINT },
  { dtypes: ["UINT8", "UINT16", "UINT32"], name: "UINT32", wire: WIRE_VARINT },
  { dtypes: ["UINT64"], name: "UINT64", wire: WIRE_VARINT },
  { dtypes: ["FP32"], name: "FP32", wire: WIRE_FIXED32 },
  { dtypes: ["FP64"], name: "FP64", wire: WIRE_FIXED64 },
  { dtypes: ["BYTES"], name: "BYTES", wire: WIRE_BYTES },
];

/** A tensor may be eight times as long as the bytes it came in. */
const TENSOR_BYTES_MAX = 64 * 1024 * 1024;
const LENGTH_BYTES = 4;

export interface ContentsOptions {
  readonly input: string;
  readonly model: string;
  /** undefined: no datatype that there is. */
  readonly dtype: Dtype | undefined;
}

/** @throws ServingError INVALID_ARGUMENT for a field that is not the datatype's, RESOURCE_EXHAUSTED for too large a tensor */
export function contentsData(contents: Uint8Array, { input, model, dtype }: ContentsOptions): Uint8Array {
  let byteLength = 0;
  eachElement(contents, (field, reader) => {
    if (dtype === undefined || !field.dtypes.includes(dtype)) {
      throw new ServingError(
        "INVALID_ARGUMENT",
        `unexpected explicit tensor data for input tensor '${input}' for model '${model}' of type '${field.name}', expected datatype '${dtype ?? "<invalid>"}'`,
      );
    }
    byteLength += field.wire === WIRE_BYTES ? LENGTH_BYTES + reader.bytes().byteLength : passNumber(reader, field, DTYPES[dtype].bytes);
  });
  if (byteLength > TENSOR_BYTES_MAX) {
    throw new ServingError(
      "RESOURCE_EXHAUSTED",
      `input '${input}' has ${byteLength} bytes, at most ${TENSOR_BYTES_MAX} come as contents: send them raw`,
    );
  }
  const data = new Uint8Array(byteLength);
  const view = new DataView(data.buffer);
  let offset = 0;
  eachElement(contents, (field, reader) => {
    if (field.wire === WIRE_BYTES) {
      const bytes = reader.bytes();
      view.setUint32(offset, bytes.byteLength, true);
      data.set(bytes, offset + LENGTH_BYTES);
      offset += LENGTH_BYTES + bytes.byteLength;
    } else {
      offset += writeNumber(view, offset, reader, dtype ?? "BOOL");
    }
  });
  return data;
}

/** Calls `take` at each element, which has to read it. Numbers may be packed or not. */
function eachElement(contents: Uint8Array, take: (field: ContentsField, reader: WireReader) => void): void {
  const reader = new WireReader(contents, "inference.InferTensorContents");
  while (reader.more) {
    const tag = reader.tag();
    const field = FIELDS[(tag >>> 3) - 1];
    const wire = tag & 7;
    if (field === undefined || (wire !== field.wire && wire !== WIRE_BYTES)) {
      reader.skip(tag);
    } else if (wire === field.wire) {
      take(field, reader);
    } else {
      const outer = reader.enter();
      while (reader.more) take(field, reader);
      reader.leave(outer);
    }
  }
}

function passNumber(reader: WireReader, { wire }: ContentsField, bytes: number): number {
  reader.skip(wire);
  return bytes;
}

/** Integers that do not fit wrap, as in Triton. @returns bytes written */
function writeNumber(view: DataView, offset: number, reader: WireReader, dtype: Dtype): number {
  const { bytes } = DTYPES[dtype];
  if (dtype === "FP32" || dtype === "FP64") {
    reader.fixed(view, offset, dtype === "FP32" ? 4 : 8);
    return bytes;
  }
  reader.varint();
  if (dtype === "BOOL") view.setUint8(offset, reader.low === 0 && reader.high === 0 ? 0 : 1);
  else if (bytes === 1) view.setUint8(offset, reader.low & 0xff);
  else if (bytes === 2) view.setUint16(offset, reader.low & 0xffff, true);
  else view.setUint32(offset, reader.low, true);
  if (bytes === 8) view.setUint32(offset + 4, reader.high, true);
  return bytes;
}
