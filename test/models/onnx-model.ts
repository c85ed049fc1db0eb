/**
 * Small ONNX models made in a test: just enough protobuf for graphs with inline weights. Field numbers are those of onnx.proto.
 */
import { Buffer } from "node:buffer";

/** A protobuf message under construction. */
class Message {
  readonly #parts: Uint8Array[] = [];

  /** Field of wire type 0. */
  int(field: number, value: number | bigint): this {
    return this.#varint((field << 3) | 0).#varint(value);
  }

  /** Field of wire type 5. */
  float(field: number, value: number): this {
    this.#varint((field << 3) | 5);
    const bytes = Buffer.alloc(4);
    bytes.writeFloatLE(value);
    return this.#push(bytes);
  }

  /** Field of wire type 2. */
  bytes(field: number, value: Uint8Array | string | Message): this {
    const bytes = value instanceof Message ? value.finish() : typeof value === "string" ? Buffer.from(value) : value;
    return this.#varint((field << 3) | 2)
      .#varint(bytes.length)
      .#push(bytes);
  }

  finish(): Uint8Array {
    return Buffer.concat(this.#parts);
  }

  #varint(value: number | bigint): this {
    let rest = BigInt.asUintN(64, BigInt(value));
    const bytes: number[] = [];
    do {
      const low = Number(rest & 0x7fn);
      rest >>= 7n;
      bytes.push(rest > 0n ? low | 0x80 : low);
    } while (rest > 0n);
    return this.#push(Uint8Array.from(bytes));
  }

  #push(bytes: Uint8Array): this {
    this.#parts.push(bytes);
    return this;
  }
}

/** TensorProto.DataType. */
const DTYPES = {
  f32: 1,
  u8: 2,
  i8: 3,
  u16: 4,
  i16: 5,
  i32: 6,
  i64: 7,
  string: 8,
  bool: 9,
  f16: 10,
  f64: 11,
  u32: 12,
  u64: 13,
  bf16: 16,
} as const;
export type ModelDtype = keyof typeof DTYPES;
/** Numbers, or names of dimensions that differ from run to run. */
export type ModelShape = readonly (number | string)[];
/** `{ float }` is a float attribute, `{ text }` a string one, `{ graph }` a graph within this one, a number an integer one. */
export type ModelAttribute = number | { readonly float: number } | { readonly text: string } | { readonly graph: OnnxModel };

export interface ModelNode {
  readonly op: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes?: Readonly<Record<string, ModelAttribute>>;
  readonly domain?: string;
}

/** Collects a graph; `finish` gives the file's bytes. */
export class OnnxModel {
  readonly #graph = new Message();
  #nodes = 0;

  input(name: string, dtype: ModelDtype, shape: ModelShape): this {
    this.#graph.bytes(11, valueInfo(name, dtype, shape));
    return this;
  }

  output(name: string, dtype: ModelDtype, shape: ModelShape): this {
    this.#graph.bytes(12, valueInfo(name, dtype, shape));
    return this;
  }

  constant(name: string, shape: readonly number[], data: Float32Array | BigInt64Array | Int32Array): this {
    const tensor = new Message();
    for (const size of shape) tensor.int(1, size);
    tensor.int(2, data instanceof Float32Array ? DTYPES.f32 : data instanceof Int32Array ? DTYPES.i32 : DTYPES.i64);
    tensor.bytes(8, name).bytes(9, new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
    this.#graph.bytes(5, tensor);
    return this;
  }

  /** A float tensor that lies in another file, at this place as the format writes it. */
  external(name: string, shape: readonly number[], place: readonly (readonly [key: string, value: string])[]): this {
    const tensor = new Message();
    for (const size of shape) tensor.int(1, size);
    tensor.int(2, DTYPES.f32).bytes(8, name).int(14, 1);
    for (const [key, value] of place) tensor.bytes(13, new Message().bytes(1, key).bytes(2, value));
    this.#graph.bytes(5, tensor);
    return this;
  }

  node(node: ModelNode): this {
    const message = new Message();
    for (const name of node.inputs) message.bytes(1, name);
    for (const name of node.outputs) message.bytes(2, name);
    message.bytes(3, `${node.op}_${this.#nodes++}`).bytes(4, node.op);
    for (const [name, value] of Object.entries(node.attributes ?? {})) {
      const attribute = new Message().bytes(1, name);
      if (typeof value === "number") attribute.int(3, value).int(20, 2);
      else if ("text" in value) attribute.bytes(4, value.text).int(20, 3);
      else if ("graph" in value) attribute.bytes(6, value.graph.#graph).int(20, 5);
      else attribute.float(2, value.float).int(20, 1);
      message.bytes(5, attribute);
    }
    if (node.domain !== undefined) message.bytes(7, node.domain);
    this.#graph.bytes(1, message);
    return this;
  }

  /** @param format version of the file's format */
  finish(format = 10): Uint8Array {
    const model = new Message().int(1, format).bytes(2, "test").bytes(7, this.#graph.bytes(2, "test"));
    model.bytes(8, new Message().int(2, 21));
    model.bytes(8, new Message().bytes(1, "com.microsoft").int(2, 1));
    return model.finish();
  }
}

function valueInfo(name: string, dtype: ModelDtype, shape: ModelShape): Message {
  const dims = new Message();
  for (const size of shape) dims.bytes(1, typeof size === "number" ? new Message().int(1, size) : new Message().bytes(2, size));
  const tensor = new Message().int(1, DTYPES[dtype]).bytes(2, dims);
  return new Message().bytes(1, name).bytes(2, new Message().bytes(1, tensor));
}
