/** Tensor data as JSON's elements, as Triton writes them: always flat, FP32 widened to double, integers with all digits. Pure. */
import { DTYPES } from "../../../core/tensor/dtype.ts";
import { bytesElements, elementCount, type Tensor } from "../../../core/tensor/tensor.ts";
import { internal, invalid } from "../triton-error.ts";
import { DOUBLE_CHARACTERS_MAX, DoubleWriter } from "./double-text.ts";

const INTEGERS = {
  UINT8: Uint8Array,
  UINT16: Uint16Array,
  UINT32: Uint32Array,
  INT8: Int8Array,
  INT16: Int16Array,
  INT32: Int32Array,
  INT64: BigInt64Array,
  UINT64: BigUint64Array,
};

const COMMA = 0x2c;
/** How many reals are put into text at once. */
const CHUNK_VALUES = 4_096;

const strings = new TextDecoder("utf-8");
const doubles = new DoubleWriter();

/**
 * @returns the elements, comma-separated, without the brackets
 * @throws ServingError INVALID_ARGUMENT for half-precision types, INTERNAL for data of another size than the shape says
 */
export function writeTensorData(tensor: Tensor): string {
  const { name, dtype, data } = tensor;
  switch (dtype) {
    case "FP16":
    case "BF16":
      throw invalid(`sending ${dtype} data via JSON is not supported. Please use the binary data format for output ${name}`);
    case "FP32":
      return writeReals(new Float32Array(aligned(tensor)));
    case "FP64":
      return writeReals(new Float64Array(aligned(tensor)));
    case "BOOL":
      aligned(tensor);
      return Array.from(data, (flag) => flag !== 0).join(",");
    case "BYTES":
      return writeStrings(tensor);
    default:
      return new INTEGERS[dtype](aligned(tensor)).join(",");
  }
}

/** The data at an address that typed arrays of any width take. */
function aligned({ name, dtype, shape, data }: Tensor): ArrayBuffer {
  if (data.byteLength !== elementCount(shape) * DTYPES[dtype].bytes) throw wrongSize(name);
  return new Uint8Array(data).buffer;
}

function wrongSize(name: string) {
  return internal(`output tensor shape does not match size of output for '${name}'`);
}

function writeReals(values: Float32Array | Float64Array): string {
  const out = Buffer.allocUnsafe(Math.min(values.length, CHUNK_VALUES) * (DOUBLE_CHARACTERS_MAX + 1));
  const chunks: string[] = [];
  let at = 0;
  for (let index = 0; index < values.length; index++) {
    if (index > 0) out[at++] = COMMA;
    at = doubles.write(values[index] ?? 0, out, at);
    if ((index + 1) % CHUNK_VALUES === 0 || index + 1 === values.length) {
      chunks.push(out.toString("latin1", 0, at));
      at = 0;
    }
  }
  return chunks.join("");
}

/** Bytes that are no UTF-8 become U+FFFD: JSON has no way to write them. */
function writeStrings({ name, shape, data }: Tensor): string {
  const elements = bytesElements(data);
  if (elements.length !== elementCount(shape)) throw wrongSize(name);
  return elements.map((element) => JSON.stringify(strings.decode(element))).join(",");
}
