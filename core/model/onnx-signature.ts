/**
 * The inputs and outputs of an ONNX file, read without the runtime and without its weights: names, datatypes and shapes out of
 * ModelProto.graph. What it finds is what the runtime says of the opened model. Field numbers are those of onnx.proto. Pure.
 */
import { ServingError } from "../errors.ts";
import type { Dtype } from "../tensor/dtype.ts";
import type { ModelPort, ModelSignature } from "../wire/model-runner.ts";
import { damaged, type ProtobufField, ProtobufFile, type RangeReader } from "./protobuf-fields.ts";

/** TensorProto.DataType. */
const DTYPES: Readonly<Record<string, Dtype>> = {
  "1": "FP32",
  "2": "UINT8",
  "3": "INT8",
  "4": "UINT16",
  "5": "INT16",
  "6": "INT32",
  "7": "INT64",
  "8": "BYTES",
  "9": "BOOL",
  "10": "FP16",
  "11": "FP64",
  "12": "UINT32",
  "13": "UINT64",
  "16": "BF16",
};

/** TensorProto.DataType that no protocol has a name for: what a refusal calls them. */
const OTHER_DTYPES: Readonly<Record<string, string>> = {
  "14": "COMPLEX64",
  "15": "COMPLEX128",
  "17": "FLOAT8E4M3FN",
  "18": "FLOAT8E4M3FNUZ",
  "19": "FLOAT8E5M2",
  "20": "FLOAT8E5M2FNUZ",
  "21": "UINT4",
  "22": "INT4",
  "23": "FLOAT4E2M1",
  "24": "FLOAT8E8M0",
};

/** TypeProto's kinds of values that are no tensor. */
const OTHER_TYPES: Readonly<Record<string, string>> = {
  "4": "ONNX_TYPE_SEQUENCE",
  "5": "ONNX_TYPE_MAP",
  "7": "ONNX_TYPE_OPAQUE",
  "8": "ONNX_TYPE_SPARSETENSOR",
  "9": "ONNX_TYPE_OPTIONAL",
};

/** From this version of the format on, an initializer that is also an input may be given by a request. */
const OVERRIDABLE_SINCE = 4n;

/**
 * @param bytes the file's size
 * @returns yields the ranges that it needs, none of them over 16 KiB, and ends with the signature
 * @throws ServingError DATA_LOSS when the file is no ONNX model; UNIMPLEMENTED when an input or output is no tensor of our datatypes
 */
export function* readOnnxSignature(bytes: number): RangeReader<ModelSignature> {
  const file = new ProtobufFile(bytes);
  const model = yield* file.fields({ start: 0, end: bytes }, 1, 7);
  const format = model.find(({ number }) => number === 1)?.value ?? 0n;
  const graph = model.find(({ number }) => number === 7);
  if (graph === undefined) throw damaged(0, "no graph");
  const initializers = new Set<string>();
  const inputs: ModelPort[] = [];
  const outputs: ModelPort[] = [];
  for (const field of yield* file.fields(graph, 5, 11, 12, 15)) {
    if (field.number === 11) inputs.push(yield* readPort(file, field));
    else if (field.number === 12) outputs.push(yield* readPort(file, field));
    // The values of a sparse initializer carry its name.
    else for (const tensor of field.number === 5 ? [field] : yield* file.fields(field, 1)) initializers.add(yield* nameOf(file, tensor, 8));
  }
  const required = inputs.filter(({ name }) => !initializers.has(name));
  const overridable = inputs.filter(({ name }) => initializers.has(name) && format >= OVERRIDABLE_SINCE);
  return { inputs: [...required, ...overridable.map((input) => ({ ...input, optional: true }))], outputs };
}

function* nameOf(file: ProtobufFile, message: ProtobufField, number: number): RangeReader<string> {
  const [name] = yield* file.fields(message, number);
  return name === undefined ? "" : yield* file.text(name);
}

/** ValueInfoProto: name 1, type 2; TypeProto: tensor_type 1. */
function* readPort(file: ProtobufFile, field: ProtobufField): RangeReader<ModelPort> {
  const name = yield* nameOf(file, field, 1);
  const [type] = yield* file.fields(field, 2);
  const kinds = type === undefined ? [] : yield* file.fields(type, 1, ...Object.keys(OTHER_TYPES).map(Number));
  const tensor = kinds.find(({ number }) => number === 1);
  if (tensor !== undefined) return { name, ...(yield* tensorType(file, name, tensor)), optional: false };
  const other = OTHER_TYPES[String(kinds[0]?.number)] ?? "ONNX_TYPE_UNKNOWN";
  const message = `Unsupported ONNX Type '${other}' for I/O '${name}', expected 'ONNX_TYPE_TENSOR'.`;
  throw new ServingError("UNIMPLEMENTED", message, { reason: "unsupported_model" });
}

/** TypeProto.Tensor: elem_type 1, shape 2. No shape is an unknown rank, which the runtime gives as no dimensions. */
function* tensorType(file: ProtobufFile, name: string, tensor: ProtobufField): RangeReader<Pick<ModelPort, "dtype" | "shape">> {
  const fields = yield* file.fields(tensor, 1, 2);
  const elementType = fields.find(({ number }) => number === 1)?.value ?? 0n;
  const dtype = DTYPES[String(elementType)];
  if (dtype === undefined) {
    const wanted = OTHER_DTYPES[String(elementType)] ?? elementType;
    const message = `'${name}' has ONNX datatype ${wanted}, which requests cannot carry: cast it to another one in the model`;
    throw new ServingError("UNIMPLEMENTED", message, { reason: "unsupported_model" });
  }
  const shape: number[] = [];
  for (const field of fields.filter(({ number }) => number === 2)) {
    for (const dimension of yield* file.fields(field, 1)) shape.push(yield* sizeOf(file, dimension));
  }
  return { dtype, shape };
}

/** TensorShapeProto.Dimension: dim_value 1, or a name, or nothing; -1 for what varies. */
function* sizeOf(file: ProtobufFile, dimension: ProtobufField): RangeReader<number> {
  const [size] = yield* file.fields(dimension, 1);
  return size === undefined ? -1 : Math.max(Number(BigInt.asIntN(64, size.value)), -1);
}
