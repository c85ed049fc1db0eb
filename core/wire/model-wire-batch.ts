/**
 * Batches and their results as heads and payloads of frames. Inputs and outputs travel by their place in the model's signature,
 * which both ends know. Pure.
 */

import { ByteReader } from "../bytes/byte-reader.ts";
import { ByteWriter } from "../bytes/byte-writer.ts";
import { PieceReader } from "../bytes/piece-reader.ts";
import { assert, ServingError } from "../errors.ts";
import { DTYPES, type Dtype, isDtype } from "../tensor/dtype.ts";
import { byteSize, type TensorHead, tensorOf } from "../tensor/tensor.ts";
import type { Batch, BatchResult, ModelPort, ModelSignature } from "./model-runner.ts";
import { MODEL_PAYLOAD_BYTES_MAX } from "./model-wire.ts";

/** A head, and the parts of its payload in order. */
export interface EncodedTensors {
  readonly head: Uint8Array;
  readonly parts: readonly Uint8Array[];
  readonly payloadBytes: number;
}

/** Of tensors that lie in memory that both ends share: the frame says it by having no payload. */
export const withoutPayload = ({ head }: EncodedTensors): EncodedTensors => ({ head, parts: [], payloadBytes: 0 });

/** A tensor that is announced: its bytes are in the payload, or in the memory that both ends share. */
export interface AnnouncedTensor extends TensorHead {
  /** Its place in the signature. */
  readonly port: number;
  readonly byteLength: number;
}

export interface AnnouncedBatch {
  readonly inputs: readonly AnnouncedTensor[];
  /** Places in the signature, in the order in which they are wanted. */
  readonly outputs: readonly number[];
}

const DTYPE_CODES: readonly Dtype[] = Object.keys(DTYPES).filter(isDtype);
/** A tensor's fields without its dimensions. */
const TENSOR_BYTES_MIN = 8;

/** The agent's end: knows the signature, and keeps its buffer. */
export class BatchCodec {
  readonly #signature: ModelSignature;
  readonly #inputs: ReadonlyMap<string, number>;
  readonly #outputs: ReadonlyMap<string, number>;
  readonly #writer = new ByteWriter();

  constructor(signature: ModelSignature) {
    this.#signature = signature;
    this.#inputs = new Map(signature.inputs.map(({ name }, place) => [name, place]));
    this.#outputs = new Map(signature.outputs.map(({ name }, place) => [name, place]));
  }

  /** @throws ServingError INVALID_ARGUMENT when an input or output is not the model's, or its bytes are not those of its shape. */
  encodeBatch({ inputs, outputs }: Batch): EncodedTensors {
    const writer = this.#writer.reset();
    const parts: Uint8Array[] = [];
    let payloadBytes = 0;
    writer.u16(inputs.length);
    for (const { head, parts: own } of inputs) {
      let byteLength = 0;
      for (const part of own) {
        parts.push(part);
        byteLength += part.byteLength;
      }
      const port = this.#port("input", head.name);
      checkInput(head, this.#signature.inputs[port], byteLength);
      writeTensor(writer, port, head, byteLength);
      payloadBytes += byteLength;
    }
    writer.u16(outputs.length);
    for (const name of outputs) writer.u16(this.#port("output", name));
    checkPayload(payloadBytes);
    return { head: writer.take(), parts, payloadBytes };
  }

  /**
   * @param payload in pieces; the outputs' data are views of it
   * @param shared gets them from the memory that both ends share, by their lengths
   * @throws ServingError INVALID_ARGUMENT when the bytes are no result
   */
  decodeResult(
    head: Uint8Array,
    payload: readonly Uint8Array[],
    shared?: (byteLengths: readonly number[]) => readonly Uint8Array[] | undefined,
  ): BatchResult {
    const reader = new ByteReader(head, "a batch's result");
    const [inputUs, inferUs, outputUs] = [reader.f64(), reader.f64(), reader.f64()];
    const announced = readTensors(reader, this.#signature.outputs);
    reader.end();
    const wanted = announced.reduce((sum, { byteLength }) => sum + byteLength, 0);
    const got = payload.reduce((sum, { byteLength }) => sum + byteLength, 0);
    const theirs = wanted > 0 && got === 0 ? shared?.(announced.map(({ byteLength }) => byteLength)) : undefined;
    if (theirs !== undefined)
      return { outputs: announced.map((tensor, place) => tensorOf(tensor, theirs.slice(place, place + 1))), inputUs, inferUs, outputUs };
    if (wanted !== got) reader.fail(`has ${got} bytes of tensors and announces ${wanted}`);
    const pieces = new PieceReader(payload);
    const outputs = announced.map((tensor) => tensorOf(tensor, pieces.take(tensor.byteLength)));
    return { outputs, inputUs, inferUs, outputUs };
  }

  #port(kind: "input" | "output", name: string): number {
    const place = (kind === "input" ? this.#inputs : this.#outputs).get(name);
    if (place !== undefined) return place;
    const allowed = this.#signature[`${kind}s`].map((port) => port.name).join(", ");
    throw new ServingError("INVALID_ARGUMENT", `unexpected inference ${kind} '${name}', allowed ${kind}s are: ${allowed}`);
  }
}

/** The runner's end. @throws ServingError INVALID_ARGUMENT when the bytes are no batch for this signature. */
export function decodeBatch(head: Uint8Array, signature: ModelSignature): AnnouncedBatch {
  const reader = new ByteReader(head, "a batch");
  const inputs = readTensors(reader, signature.inputs);
  const outputs: number[] = [];
  for (let left = reader.count(reader.u16(), 2); left > 0; left--) {
    const port = reader.u16();
    outputs.push(port < signature.outputs.length ? port : reader.fail(`wants output ${port} of ${signature.outputs.length}`));
  }
  reader.end();
  return { inputs, outputs };
}

/** A tensor that goes back: its place in the signature's outputs, and its bytes. */
export interface OutputTensor {
  readonly port: number;
  readonly head: TensorHead;
  readonly data: Uint8Array;
}

/** The runner's end. @throws ServingError RESOURCE_EXHAUSTED when the outputs are too large to travel. */
export function encodeResult(outputs: readonly OutputTensor[], times: Omit<BatchResult, "outputs">): EncodedTensors {
  const writer = new ByteWriter().f64(times.inputUs).f64(times.inferUs).f64(times.outputUs).u16(outputs.length);
  let payloadBytes = 0;
  for (const { port, head, data } of outputs) {
    writeTensor(writer, port, head, data.byteLength);
    payloadBytes += data.byteLength;
  }
  checkPayload(payloadBytes);
  return { head: writer.finish(), parts: outputs.map(({ data }) => data), payloadBytes };
}

function writeTensor(writer: ByteWriter, port: number, { dtype, shape }: TensorHead, byteLength: number): void {
  writer.u16(port).u8(DTYPE_CODES.indexOf(dtype)).u8(shape.length).u32(byteLength);
  for (const size of shape) writer.f64(size);
}

function readTensors(reader: ByteReader, ports: readonly ModelPort[]): AnnouncedTensor[] {
  const tensors: AnnouncedTensor[] = [];
  for (let left = reader.count(reader.u16(), TENSOR_BYTES_MIN); left > 0; left--) {
    const port = reader.u16();
    const name = ports[port]?.name ?? reader.fail(`has tensor ${port} of ${ports.length}`);
    const code = reader.u8();
    const dtype = DTYPE_CODES[code] ?? reader.fail(`has a tensor of unknown datatype ${code}`);
    const rank = reader.u8();
    const byteLength = reader.u32();
    const shape: number[] = [];
    for (let axis = 0; axis < rank; axis++) shape.push(reader.f64());
    tensors.push({ port, name, dtype, shape, byteLength });
  }
  return tensors;
}

function checkInput({ name, dtype, shape }: TensorHead, port: ModelPort | undefined, byteLength: number): void {
  assert(port !== undefined, "an input that has a place has a port");
  if (dtype !== port.dtype) refuse(`input '${name}' has datatype ${dtype}, the model takes ${port.dtype}`);
  if (shape.length > 255) refuse(`input '${name}' has ${shape.length} dimensions, at most 255 are possible`);
  const wanted = byteSize(dtype, shape);
  if (wanted !== undefined && wanted !== byteLength)
    refuse(`input '${name}' of shape [${shape.join(",")}] and datatype ${dtype} has ${wanted} bytes, got ${byteLength}`);
}

function checkPayload(payloadBytes: number): void {
  if (payloadBytes <= MODEL_PAYLOAD_BYTES_MAX) return;
  const message = `a batch's tensors have ${payloadBytes} bytes, at most ${MODEL_PAYLOAD_BYTES_MAX} can travel: use a smaller max_batch_size`;
  throw new ServingError("RESOURCE_EXHAUSTED", message);
}

function refuse(message: string): never {
  throw new ServingError("INVALID_ARGUMENT", message);
}
