/** Generations that a gateway submits, or comes back to, as bytes. Token ids are raw int32. Pure. */
import type { ByteReader } from "../bytes/byte-reader.ts";
import type { ByteWriter } from "../bytes/byte-writer.ts";
import { assert } from "../errors.ts";
import { generationId } from "../ids.ts";
import type { SamplingParameters } from "../model/sampling-parameters.ts";
import type { AttachRequest, GenerationSubmit } from "./generation.ts";

/** On the wire: no deadline, no log probabilities. */
const NONE = -1;

/** Of its token ids, whose number has no bound of its own. */
export const generationBytes = ({ promptIds, begun }: GenerationSubmit): number =>
  promptIds.byteLength + begun.reduce((sum, { outputIds }) => sum + 5 + outputIds.byteLength, 0);

export function writeGeneration(writer: ByteWriter, submit: GenerationSubmit): void {
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

export function writeAttach(writer: ByteWriter, { generation, tenant, from }: AttachRequest): void {
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

export function readGeneration(reader: ByteReader): GenerationSubmit {
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

export function readAttach(reader: ByteReader): AttachRequest {
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
