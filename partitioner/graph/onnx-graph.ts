/** An ONNX model under construction, with its large tensors in a file beside it. Field numbers: onnx.proto. Pure. */
import { ProtobufMessage } from "./protobuf.ts";

/** onnx.proto: TensorProto.DataType. */
const ELEMENT_TYPES = { float: 1, uint8: 2, int32: 6, int64: 7 } as const;
export type ElementType = keyof typeof ELEMENT_TYPES;

/** A whole number, a text, whole numbers, or a float. */
export type Attribute = number | string | readonly number[] | { readonly float: number };

/** A fixed size, or the name of one that each run chooses. */
export type Dimension = number | string;

const IR_VERSION = 10;
const OPSET_VERSION = 21;
/** Runtimes map external tensors into memory by pages. */
const EXTERNAL_ALIGNMENT = 4096;
const ATTRIBUTE_TYPES = { float: 1, int: 2, text: 3, ints: 7 } as const;

/** ONNX Runtime's own operators. */
export const CONTRIB = "com.microsoft";

export class OnnxGraph {
  readonly #dataFile: string;
  readonly #nodes: ProtobufMessage[] = [];
  readonly #initializers = new Map<string, ProtobufMessage>();
  readonly #inputs: ProtobufMessage[] = [];
  readonly #outputs: ProtobufMessage[] = [];
  #externalBytes = 0;

  /** @param dataFile name of the file beside the model that holds external tensors */
  constructor(dataFile: string) {
    this.#dataFile = dataFile;
  }

  /** Length of the data file. */
  get externalBytes(): number {
    return this.#externalBytes;
  }

  input(name: string, type: ElementType, dimensions: readonly Dimension[]): void {
    this.#inputs.push(valueInfo(name, type, dimensions));
  }

  output(name: string, type: ElementType, dimensions: readonly Dimension[]): void {
    this.#outputs.push(valueInfo(name, type, dimensions));
  }

  /** @param inputs empty names for optional ones left out @returns the first output's name */
  node(operator: string, inputs: readonly string[], outputs: readonly [string, ...string[]], options: NodeOptions = {}): string {
    const node = new ProtobufMessage();
    for (const input of inputs) node.text(1, input);
    for (const output of outputs) node.text(2, output);
    node.text(3, `${operator}:${outputs[0]}`).text(4, operator);
    for (const [name, value] of Object.entries(options.attributes ?? {})) node.message(5, attribute(name, value));
    if (options.domain !== undefined) node.text(7, options.domain);
    this.#nodes.push(node);
    return outputs[0];
  }

  /** A small tensor inside the model; the same name again means the same tensor. */
  constant(name: string, type: ElementType, dimensions: readonly number[], bytes: Uint8Array): string {
    if (!this.#initializers.has(name)) this.#initializers.set(name, tensor(name, type, dimensions).bytes(9, bytes));
    return name;
  }

  /** int64 values as a constant of one dimension. */
  wholeNumbers(name: string, values: readonly number[]): string {
    return this.constant(name, "int64", [values.length], new Uint8Array(BigInt64Array.from(values, BigInt).buffer));
  }

  /** Room for `bytes` in the data file, for a tensor that begins there. @returns its offset */
  reserve(bytes: number): number {
    const offset = Math.ceil(this.#externalBytes / EXTERNAL_ALIGNMENT) * EXTERNAL_ALIGNMENT;
    this.#externalBytes = offset + bytes;
    return offset;
  }

  /** A tensor whose bytes lie in the data file; two tensors may share them. The same name again means the same tensor. */
  external(name: string, type: ElementType, dimensions: readonly number[], place: { offset: number; bytes: number }): string {
    if (this.#initializers.has(name)) return name;
    const message = tensor(name, type, dimensions);
    const entries = { location: this.#dataFile, offset: String(place.offset), length: String(place.bytes) };
    for (const [key, value] of Object.entries(entries)) message.message(13, new ProtobufMessage().text(1, key).text(2, value));
    this.#initializers.set(name, message.int(14, 1));
    return name;
  }

  /** The bytes of `model.onnx`. */
  encode(): Uint8Array {
    const graph = new ProtobufMessage();
    for (const node of this.#nodes) graph.message(1, node);
    graph.text(2, "shard");
    for (const initializer of this.#initializers.values()) graph.message(5, initializer);
    for (const input of this.#inputs) graph.message(11, input);
    for (const output of this.#outputs) graph.message(12, output);
    return new ProtobufMessage()
      .int(1, IR_VERSION)
      .text(2, "nereid")
      .message(7, graph)
      .message(8, new ProtobufMessage().int(2, OPSET_VERSION))
      .message(8, new ProtobufMessage().text(1, CONTRIB).int(2, 1))
      .encode();
  }
}

export interface NodeOptions {
  readonly attributes?: Readonly<Record<string, Attribute>>;
  readonly domain?: string;
}

function attribute(name: string, value: Attribute): ProtobufMessage {
  const message = new ProtobufMessage().text(1, name);
  if (typeof value === "number") return message.int(3, value).int(20, ATTRIBUTE_TYPES.int);
  if (typeof value === "string") return message.text(4, value).int(20, ATTRIBUTE_TYPES.text);
  if ("float" in value) return message.float(2, value.float).int(20, ATTRIBUTE_TYPES.float);
  for (const item of value) message.int(8, item);
  return message.int(20, ATTRIBUTE_TYPES.ints);
}

function tensor(name: string, type: ElementType, dimensions: readonly number[]): ProtobufMessage {
  const message = new ProtobufMessage();
  for (const size of dimensions) message.int(1, size);
  return message.int(2, ELEMENT_TYPES[type]).text(8, name);
}

function valueInfo(name: string, type: ElementType, dimensions: readonly Dimension[]): ProtobufMessage {
  const shape = new ProtobufMessage();
  for (const size of dimensions) {
    const dimension = new ProtobufMessage();
    shape.message(1, typeof size === "number" ? dimension.int(1, size) : dimension.text(2, size));
  }
  const tensorType = new ProtobufMessage().int(1, ELEMENT_TYPES[type]).message(2, shape);
  return new ProtobufMessage().text(1, name).message(2, new ProtobufMessage().message(1, tensorType));
}
