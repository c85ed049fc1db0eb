/**
 * Encodes answers by hand: everything small in one piece, large outputs as they are. Fields stand in the order of their numbers, as
 * protobuf's own encoders write them (protos/grpc_service.proto). Pure.
 */
import { ServingError } from "../../core/errors.ts";
import { NO_PARAMETERS, type ParameterValue, type ParameterValues } from "../../core/messages/parameter-value.ts";
import type { Tensor } from "../../core/tensor/tensor.ts";
import type { Message } from "../grpc/method.ts";
import { NUMBER_BYTES_MAX, stringBytesMax, WireWriter } from "./wire-writer.ts";

export interface InferAnswer {
  readonly model: string;
  /** Empty: not said. */
  readonly version: string;
  readonly id: string;
  readonly parameters: ParameterValues;
  /** Outputs that lie in shared memory have no bytes here. */
  readonly outputs: readonly Tensor[];
}

/** A failed request of a stream; model and version are empty where they are not known. */
export interface StreamFailure {
  readonly message: string;
  readonly model: string;
  readonly version: string;
  readonly id: string;
}

/** Above this, an output's bytes are a piece of their own. */
const COPIED_BYTES_MAX = 16 * 1024;
const RESPONSE_BYTES_MAX = 2_147_483_647;
/** Tags, lengths and counts of one thing with a name. */
const ENTRY_BYTES_MAX = 48;

const BYTES = 2;
const NO_OUTPUTS: readonly Tensor[] = [];

/** A ModelInferResponse. @throws ServingError INVALID_ARGUMENT when it is longer than gRPC carries */
export function encodeInferResponse(answer: InferAnswer): Message {
  return encodeBody(answer, new WireWriter(bytesMax(answer)));
}

/** A ModelStreamInferResponse around it: its field 2. */
export function encodeStreamResponse(answer: InferAnswer): Message {
  const body = encodeInferResponse(answer);
  const head = new WireWriter(NUMBER_BYTES_MAX);
  head.varint((2 << 3) | BYTES);
  head.varint(byteLengthOf(body));
  return [head.take(), ...body];
}

/** A ModelStreamInferResponse with `error_message`. */
export function encodeStreamFailure({ message, model, version, id }: StreamFailure): Message {
  const answer: InferAnswer = { model, version, id, parameters: NO_PARAMETERS, outputs: NO_OUTPUTS };
  const [body] = encodeInferResponse(answer);
  const writer = new WireWriter(stringBytesMax(message) + NUMBER_BYTES_MAX + (body?.byteLength ?? 0));
  writeString(writer, 1, message);
  writer.varint((2 << 3) | BYTES);
  const nested = writer.begin();
  if (body !== undefined) writer.bytes(body);
  writer.end(nested);
  return [writer.take()];
}

/** No less than what the answer takes, less its large outputs. */
function bytesMax({ model, version, id, parameters, outputs }: InferAnswer): number {
  let bytes = stringBytesMax(model) + stringBytesMax(version) + stringBytesMax(id);
  for (const [key, value] of parameters)
    bytes += ENTRY_BYTES_MAX + stringBytesMax(key) + (typeof value === "string" ? stringBytesMax(value) : 0);
  for (const { name, shape, data } of outputs) {
    bytes += ENTRY_BYTES_MAX + stringBytesMax(name) + shape.length * NUMBER_BYTES_MAX;
    if (data.byteLength <= COPIED_BYTES_MAX) bytes += data.byteLength;
  }
  return bytes;
}

function encodeBody({ model, version, id, parameters, outputs }: InferAnswer, writer: WireWriter): Message {
  writeString(writer, 1, model);
  writeString(writer, 2, version);
  writeString(writer, 3, id);
  for (const [key, value] of parameters) writeParameter(writer, key, value);
  for (const output of outputs) writeOutput(writer, output);
  const pieces: Uint8Array[] = [];
  let written = 0;
  for (const { data } of outputs) {
    writer.varint((6 << 3) | BYTES);
    writer.varint(data.byteLength);
    if (data.byteLength <= COPIED_BYTES_MAX) {
      writer.bytes(data);
    } else {
      pieces.push(writer.take().subarray(written), data);
      written = writer.byteLength;
    }
  }
  if (pieces.length === 0) return [writer.take()];
  if (writer.byteLength > written) pieces.push(writer.take().subarray(written));
  const byteLength = byteLengthOf(pieces);
  if (byteLength <= RESPONSE_BYTES_MAX) return pieces;
  throw new ServingError(
    "INVALID_ARGUMENT",
    `Response has byte size ${byteLength} which exceeds gRPC's byte size limit ${RESPONSE_BYTES_MAX}.`,
  );
}

function writeOutput(writer: WireWriter, { name, dtype, shape }: Tensor): void {
  writer.varint((5 << 3) | BYTES);
  const nested = writer.begin();
  writeString(writer, 1, name);
  writeString(writer, 2, dtype);
  if (shape.length > 0) {
    writer.varint((3 << 3) | BYTES);
    const packed = writer.begin();
    for (const size of shape) writer.varint(size);
    writer.end(packed);
  }
  writer.end(nested);
}

/** An entry of the map: whole numbers are int64, others double. */
function writeParameter(writer: WireWriter, key: string, value: ParameterValue): void {
  writer.varint((4 << 3) | BYTES);
  const entry = writer.begin();
  writer.varint((1 << 3) | BYTES); // in a map's entry, also where it is empty
  writer.string(key);
  writer.varint((2 << 3) | BYTES);
  const nested = writer.begin();
  if (typeof value === "boolean") {
    writer.varint(1 << 3);
    writer.varint(value ? 1 : 0);
  } else if (typeof value === "string") {
    writer.varint((3 << 3) | BYTES);
    writer.string(value);
  } else if (typeof value === "bigint" || Number.isSafeInteger(value)) {
    writer.varint(2 << 3);
    writer.int64(BigInt(value));
  } else {
    writer.varint((4 << 3) | 1);
    writer.double(value);
  }
  writer.end(nested);
  writer.end(entry);
}

/** Empty strings are not written: they are what is read where nothing stands. */
function writeString(writer: WireWriter, field: number, text: string): void {
  if (text === "") return;
  writer.varint((field << 3) | BYTES);
  writer.string(text);
}

function byteLengthOf(message: Message): number {
  return message.reduce((sum, { byteLength }) => sum + byteLength, 0);
}
