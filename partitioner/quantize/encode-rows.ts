/** Rows as the checkpoint has them to rows as the shard holds them. Pure. */
import { emptyBlockRows } from "./block-rows.ts";
import { dequantize } from "./dequantize.ts";
import { convertBlocks } from "./native.ts";
import { quantizeInt4, quantizeInt8 } from "./quantize.ts";
import { TENSOR_TYPES, type TensorType } from "./tensor-type.ts";
import { isSameFormat, NATIVE_FORMATS, type WeightFormat } from "./weight-format.ts";

/** Bytes for the three regions of a weight; little-endian, as every platform that ONNX Runtime ships for. */
export interface EncodedRows {
  readonly data: Uint8Array;
  readonly scales: Uint8Array;
  readonly corrections: Uint8Array;
}

const NOTHING = new Uint8Array();

/** Blocks pass unchanged where `format` can hold them; anything else goes through f32. `bytes` are whole rows. */
export function encodeRows(type: TensorType, bytes: Uint8Array, format: WeightFormat): EncodedRows {
  const values = (bytes.length / TENSOR_TYPES[type].bytes) * TENSOR_TYPES[type].block;
  if (format.kind === "float") {
    return { data: bytesOfArray(dequantize(type, bytes, new Float32Array(values))), scales: NOTHING, corrections: NOTHING };
  }
  const rows = emptyBlockRows(format, values);
  if (!isSameFormat(NATIVE_FORMATS[type], format) || !convertBlocks(type, bytes, rows)) {
    const weights = dequantize(type, bytes, new Float32Array(values));
    if (format.bits === 8) quantizeInt8(weights, rows);
    else quantizeInt4(weights, rows);
  }
  return { data: rows.quants, scales: bytesOfArray(rows.scales), corrections: bytesOfArray(rows.corrections) };
}

const bytesOfArray = (values: Float32Array): Uint8Array => new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
