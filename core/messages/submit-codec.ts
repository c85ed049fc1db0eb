/**
 * Submits as bytes, for the bus and, in parts, for the link; and what else a gateway writes on a running stream. Pure.
 *
 * Integers are little-endian; prompt ids are raw int32 at the end. Gateway → agent, the first byte of a link frame says what it
 * is: a part of a submit with more to come, the last part, or a cancel of one choice.
 */

import { ByteReader } from "../bytes/byte-reader.ts";
import { ByteWriter } from "../bytes/byte-writer.ts";
import { joinedBytes } from "../bytes/joined-bytes.ts";
import { pooledBytes } from "../bytes/pooled-bytes.ts";
import { assert, ServingError } from "../errors.ts";
import { generationId } from "../ids.ts";
import { FRAME_BYTES_MAX } from "../link/link.ts";
import type { SamplingParameters } from "../model/sampling-parameters.ts";
import type { AttachRequest, CancelChoice, GenerationSubmit, Submit, SubmitBody } from "./generation.ts";
import { inferBytes, readInfer, writeInfer } from "./infer-codec.ts";

const FORM = 3;
const BODY = { generate: 1, textBundle: 2, infer: 3, statistics: 4, watch: 5, control: 6, attach: 7, files: 8 } as const;
const FRAME = { more: 1, last: 2, cancelChoice: 3 } as const;
/** On the wire: no deadline, no log probabilities. */
const NONE = -1;

/** The largest body that a door takes, and room for names and shapes. */
export const SUBMIT_BYTES_MAX = 72 * 1024 * 1024;

/** @throws ServingError RESOURCE_EXHAUSTED when the body is too large for any link. */
export function encodeSubmit({ session, number, body }: Submit): Uint8Array {
  const writer = new ByteWriter(expectedBytes(body));
  writer.u8(FORM);
  writer.text(session);
  writer.f64(number);
  switch (body.kind) {
    case "generate":
      writer.u8(BODY.generate);
      writeGeneration(writer, body);
      break;
    case "attach":
      writer.u8(BODY.attach);
      writeAttach(writer, body);
      break;
    case "text-bundle":
      writer.u8(BODY.textBundle);
      writer.text(body.digest);
      break;
    case "infer":
      writer.u8(BODY.infer);
      writeInfer(writer, body);
      break;
    case "statistics":
      writer.u8(BODY.statistics);
      writer.text(body.model);
      break;
    case "watch":
      writer.u8(BODY.watch);
      break;
    case "control":
      writer.u8(BODY.control);
      writer.bytes(body.control);
      break;
    case "files":
      writer.u8(BODY.files);
      writer.bytes(body.request);
      break;
  }
  const bytes = writer.finish();
  if (bytes.byteLength > SUBMIT_BYTES_MAX) {
    throw new ServingError("RESOURCE_EXHAUSTED", `a submit of ${bytes.byteLength} bytes is over the limit of ${SUBMIT_BYTES_MAX}`);
  }
  return bytes;
}

/** @throws ServingError INVALID_ARGUMENT */
export function decodeSubmit(bytes: Uint8Array): Submit {
  const reader = new ByteReader(bytes, "a submit");
  if (reader.u8() !== FORM) reader.fail("is of another version");
  const session = reader.text();
  const number = reader.finite();
  if (!Number.isSafeInteger(number) || number < 0) reader.fail("has a stream number that is none");
  const body = readBody(reader);
  reader.end();
  return { session, number, body };
}

/** The frames that carry an encoded submit, or a call, over its link stream. */
export function submitFrames(submit: Uint8Array): readonly Uint8Array[] {
  const frames: Uint8Array[] = [];
  const partBytes = FRAME_BYTES_MAX - 1;
  for (let offset = 0; offset === 0 || offset < submit.byteLength; offset += partBytes) {
    const part = submit.subarray(offset, offset + partBytes);
    const frame = pooledBytes(part.byteLength + 1);
    frame[0] = offset + partBytes < submit.byteLength ? FRAME.more : FRAME.last;
    frame.set(part, 1);
    frames.push(frame);
  }
  return frames;
}

/** Puts the submit that opens a link stream together again. */
export class SubmitAssembler {
  readonly #frames = new FrameAssembler();

  /** @returns the submit when `frame` completes it. @throws ServingError INVALID_ARGUMENT */
  push(frame: Uint8Array): Submit | undefined {
    const bytes = this.#frames.push(frame);
    return bytes === undefined ? undefined : decodeSubmit(bytes);
  }
}

/** Puts what `submitFrames` has cut together again. */
export class FrameAssembler {
  #parts: Uint8Array[] = [];
  #bytes = 0;

  /** @returns all the bytes when `frame` is the last. @throws ServingError INVALID_ARGUMENT */
  push(frame: Uint8Array): Uint8Array | undefined {
    const type = frame[0];
    if (type !== FRAME.more && type !== FRAME.last) {
      throw new ServingError("INVALID_ARGUMENT", `a stream begins with a frame of type ${type}, not with a submit`);
    }
    this.#parts.push(frame.subarray(1));
    this.#bytes += frame.byteLength - 1;
    if (this.#bytes > SUBMIT_BYTES_MAX) {
      throw new ServingError("INVALID_ARGUMENT", `a submit of more than ${SUBMIT_BYTES_MAX} bytes`);
    }
    if (type === FRAME.more) return undefined;
    const bytes = joinedBytes(this.#parts, this.#bytes);
    this.#parts = [];
    this.#bytes = 0;
    return bytes;
  }
}

export function encodeCancelChoice({ choice }: CancelChoice): Uint8Array {
  return Uint8Array.of(FRAME.cancelChoice, choice);
}

/**
 * A frame that a gateway wrote on a running stream; undefined when it is a late copy of the submit, which came over the bus
 * first. @throws ServingError INVALID_ARGUMENT
 */
export function decodeCancelChoice(frame: Uint8Array): CancelChoice | undefined {
  const reader = new ByteReader(frame, "a gateway's frame");
  const type = reader.u8();
  if (type === FRAME.more || type === FRAME.last) return undefined;
  if (type !== FRAME.cancelChoice) reader.fail(`is of the unknown type ${type}`);
  const choice = reader.u8();
  reader.end();
  return { kind: "cancel-choice", choice };
}

function writeGeneration(writer: ByteWriter, submit: GenerationSubmit): void {
  assert(submit.choices >= 1 && submit.choices <= 255, `${submit.choices} choices do not fit a submit`);
  writer.text(submit.generation);
  writer.text(submit.replica);
  writer.text(submit.tenant);
  writer.text(submit.traceparent);
  writer.f64(submit.remainingMs ?? NONE);
  writer.u8(submit.choices);
  writer.u32(submit.tokensMax);
  writer.u32(submit.stopIds.length);
  for (const id of submit.stopIds) writer.i32(id);
  writeSampling(writer, submit.sampling);
  writer.u32(submit.promptIds.length);
  writer.bytes(bytesOf(submit.promptIds));
  writer.u8(submit.begun.length);
  for (const { outputIds, over } of submit.begun) {
    writer.u8(over ? 1 : 0);
    writer.u32(outputIds.length);
    writer.bytes(bytesOf(outputIds));
  }
  writer.u8(submit.resumable === undefined ? 0 : 1);
  if (submit.resumable !== undefined) writer.text(submit.resumable);
  writer.u8(submit.movable === true ? 1 : 0);
}

function writeAttach(writer: ByteWriter, { generation, tenant, from }: AttachRequest): void {
  writer.text(generation);
  writer.text(tenant);
  writer.u8(from.length);
  for (const position of from) writer.u32(position);
}

const bytesOf = (ids: Int32Array): Uint8Array => new Uint8Array(ids.buffer, ids.byteOffset, ids.byteLength);

function writeSampling(writer: ByteWriter, sampling: SamplingParameters): void {
  writer.f64(sampling.temperature);
  writer.u32(sampling.topK);
  writer.f64(sampling.topP);
  writer.f64(sampling.minP);
  writer.f64(sampling.repetitionPenalty);
  writer.f64(sampling.presencePenalty);
  writer.f64(sampling.frequencyPenalty);
  writer.u64(sampling.seed);
  writer.i32(sampling.topLogprobs ?? NONE);
  writer.u32(sampling.logitBias.length);
  for (const [id, bias] of sampling.logitBias) {
    writer.i32(id);
    writer.f64(bias);
  }
}

function expectedBytes(body: SubmitBody): number {
  switch (body.kind) {
    case "generate":
      return 384 + body.promptIds.byteLength + body.begun.reduce((sum, { outputIds }) => sum + 5 + outputIds.byteLength, 0);
    case "infer":
      return 384 + inferBytes(body);
    case "attach":
    case "text-bundle":
    case "statistics":
    case "watch":
    case "files":
      return 192;
    case "control":
      return 192 + body.control.byteLength;
  }
}

function readBody(reader: ByteReader): SubmitBody {
  const kind = reader.u8();
  if (kind === BODY.generate) return readGeneration(reader);
  if (kind === BODY.attach) return readAttach(reader);
  if (kind === BODY.textBundle) return { kind: "text-bundle", digest: reader.text() };
  if (kind === BODY.infer) return readInfer(reader);
  if (kind === BODY.statistics) return { kind: "statistics", model: reader.text() };
  if (kind === BODY.watch) return { kind: "watch" };
  if (kind === BODY.control) return { kind: "control", control: reader.rest() };
  if (kind === BODY.files) return { kind: "files", request: reader.rest() };
  return reader.fail(`is of the unknown kind ${kind}`);
}

function readGeneration(reader: ByteReader): GenerationSubmit {
  const generation = generationId(reader.text());
  const replica = reader.text();
  const tenant = reader.text();
  const traceparent = reader.text();
  const remainingMs = reader.finite();
  const choices = reader.u8();
  const tokensMax = reader.u32();
  if (choices === 0 || tokensMax === 0) reader.fail("asks for nothing");
  const stopIds = Array.from({ length: reader.count(reader.u32(), 4) }, () => reader.i32());
  const sampling = readSampling(reader);
  const promptIds = readIds(reader);
  const begun = Array.from({ length: reader.u8() }, () => ({ over: readFlag(reader), outputIds: readIds(reader) }));
  const resumable = readFlag(reader) ? reader.text() : undefined;
  const movable = readFlag(reader);
  return {
    kind: "generate",
    generation,
    replica,
    tenant,
    remainingMs: remainingMs === NONE ? undefined : remainingMs,
    traceparent,
    promptIds,
    choices,
    tokensMax,
    stopIds,
    sampling,
    begun,
    ...(resumable !== undefined && { resumable }),
    ...(movable && { movable }),
  };
}

function readAttach(reader: ByteReader): AttachRequest {
  const generation = generationId(reader.text());
  const tenant = reader.text();
  return { kind: "attach", generation, tenant, from: Array.from({ length: reader.u8() }, () => reader.u32()) };
}

function readIds(reader: ByteReader): Int32Array {
  const bytes = reader.bytes(reader.count(reader.u32(), 4) * 4).slice();
  return new Int32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
}

function readFlag(reader: ByteReader): boolean {
  const flag = reader.u8();
  if (flag > 1) reader.fail(`has the flag ${flag} where 0 or 1 belongs`);
  return flag === 1;
}

function readSampling(reader: ByteReader): SamplingParameters {
  const numbers = {
    temperature: reader.finite(),
    topK: reader.u32(),
    topP: reader.finite(),
    minP: reader.finite(),
    repetitionPenalty: reader.finite(),
    presencePenalty: reader.finite(),
    frequencyPenalty: reader.finite(),
    seed: reader.u64(),
  };
  const topLogprobs = reader.i32();
  if (topLogprobs < NONE) reader.fail("asks for a negative number of log probabilities");
  const biases = reader.count(reader.u32(), 12);
  const logitBias = Array.from({ length: biases }, () => [reader.i32(), reader.finite()] as const);
  return { ...numbers, topLogprobs: topLogprobs === NONE ? undefined : topLogprobs, logitBias };
}
