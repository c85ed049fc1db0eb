/**
 * Steps and their results as bytes. Fixed-width little-endian fields in the order of the types in `step.ts`; epoch and step
 * number travel in the frame's header. Decoding checks form only: what the numbers may be depends on the shard and is
 * `step-check.ts`'s. Pure.
 */

import { ByteReader } from "../bytes/byte-reader.ts";
import { ByteWriter } from "../bytes/byte-writer.ts";
import type { SamplingParameters } from "../model/sampling-parameters.ts";
import type { Admission, DecodeRow, DecodeRun, PrefillRun, SlotCopy, Step, StepResult, StepToken } from "./step.ts";

/** Which step of which epoch, from a frame's header. */
export interface StepNumber {
  readonly epoch: number;
  readonly step: number;
}

const PREFILL = 0;
const DECODE = 1;
const NO_RUN = 2;
const REPLAY = 3;
/** Stands for undefined where a u32 or u8 is optional. */
const NONE_U32 = 0xffffffff;
const NONE_U8 = 0xff;

export function encodeStep(step: Step): Uint8Array {
  const out = new ByteWriter();
  out.u16(step.releases.length);
  for (const slot of step.releases) out.u32(slot);
  out.u16(step.copies.length);
  for (const copy of step.copies) out.u32(copy.from).u32(copy.to).u32(copy.tokens);
  out.u16(step.admissions.length);
  for (const admission of step.admissions) writeAdmission(out, admission);
  writeRun(out, step.run);
  return out.take();
}

function writeRun(out: ByteWriter, run: Step["run"]): void {
  if (run.kind === "prefill") {
    out.u8(PREFILL).u32(run.slot).u32(run.past).i32s(run.tokens);
    out.u32(run.sample?.row ?? NONE_U32).u32(run.sample?.position ?? NONE_U32);
  } else if (run.kind === "decode") {
    out.u8(DECODE).u32(run.firstSlot).u32(run.rows.length);
    for (const row of run.rows)
      out
        .u32(row.token)
        .u32(row.past)
        .u32(row.position ?? NONE_U32);
  } else if (run.kind === "replay") out.u8(REPLAY).u32(run.slot).u32(run.past).i32s(run.tokens);
  else out.u8(NO_RUN);
}

/** @throws ServingError INVALID_ARGUMENT when the bytes are no step. */
export function decodeStep(bytes: Uint8Array, at: StepNumber): Step {
  const from = new ByteReader(bytes, `step ${at.step}`);
  const releases = readList(from, from.u16(), 4, () => from.u32());
  const copies = readList(from, from.u16(), 12, (): SlotCopy => ({ from: from.u32(), to: from.u32(), tokens: from.u32() }));
  const admissions = readList(from, from.u16(), ADMISSION_BYTES_MIN, () => readAdmission(from));
  const run = readRun(from);
  from.end();
  return { epoch: at.epoch, step: at.step, releases, copies, admissions, run };
}

export function encodeResult(result: StepResult): Uint8Array {
  const out = new ByteWriter();
  out.u8(result.stageUs.length);
  for (const us of result.stageUs) out.u32(us);
  out.u32(result.tokens.length);
  for (const token of result.tokens) {
    out.u32(token.slot).u32(token.position).u32(token.id);
    out.u8(token.logprob === undefined ? 0 : 1).f64(token.logprob ?? 0);
    out.u8(token.topLogprobs.length);
    for (const [id, logprob] of token.topLogprobs) out.u32(id).f64(logprob);
  }
  return out.take();
}

/** @throws ServingError INVALID_ARGUMENT when the bytes are no result. */
export function decodeResult(bytes: Uint8Array, at: StepNumber): StepResult {
  const from = new ByteReader(bytes, `result of step ${at.step}`);
  const stageUs = readList(from, from.u8(), 4, () => from.u32());
  const tokens = readList(from, from.u32(), 22, (): StepToken => {
    const slot = from.u32();
    const position = from.u32();
    const id = from.u32();
    const present = from.u8();
    if (present > 1) from.fail(`has flag ${present} where 0 or 1 belongs`);
    const logprob = from.f64();
    const topLogprobs = readList(from, from.u8(), 12, () => [from.u32(), from.f64()] as const);
    return { slot, position, id, logprob: present === 1 ? logprob : undefined, topLogprobs };
  });
  from.end();
  return { epoch: at.epoch, step: at.step, tokens, stageUs };
}

function writeAdmission(out: ByteWriter, admission: Admission): void {
  out.u32(admission.slot).u32(admission.choice);
  writeSampling(out, admission.sampling);
  out.i32s(admission.promptIds).i32s(admission.outputIds);
}

/** Slot, choice, sampling without biases, two empty lists. */
const ADMISSION_BYTES_MIN = 4 + 4 + (6 * 8 + 4 + 8 + 1 + 2) + 4 + 4;

function readAdmission(from: ByteReader): Admission {
  return { slot: from.u32(), choice: from.u32(), sampling: readSampling(from), promptIds: from.i32s(), outputIds: from.i32s() };
}

function writeSampling(out: ByteWriter, sampling: SamplingParameters): void {
  out.f64(sampling.temperature).u32(sampling.topK).f64(sampling.topP).f64(sampling.minP);
  out.f64(sampling.repetitionPenalty).f64(sampling.presencePenalty).f64(sampling.frequencyPenalty);
  out.u64(sampling.seed).u8(sampling.topLogprobs ?? NONE_U8);
  out.u16(sampling.logitBias.length);
  for (const [id, bias] of sampling.logitBias) out.u32(id).f64(bias);
}

function readSampling(from: ByteReader): SamplingParameters {
  const temperature = from.f64();
  const topK = from.u32();
  const topP = from.f64();
  const minP = from.f64();
  const repetitionPenalty = from.f64();
  const presencePenalty = from.f64();
  const frequencyPenalty = from.f64();
  const seed = from.u64();
  const topLogprobs = from.u8();
  const logitBias = readList(from, from.u16(), 12, () => [from.u32(), from.f64()] as const);
  return {
    temperature,
    topK,
    topP,
    minP,
    repetitionPenalty,
    presencePenalty,
    frequencyPenalty,
    logitBias,
    seed,
    topLogprobs: topLogprobs === NONE_U8 ? undefined : topLogprobs,
  };
}

function readRun(from: ByteReader): Step["run"] {
  const kind = from.u8();
  if (kind === PREFILL) return readPrefill(from);
  if (kind === DECODE) return readDecode(from);
  if (kind === REPLAY) return { kind: "replay", slot: from.u32(), past: from.u32(), tokens: from.i32s() };
  return kind === NO_RUN ? { kind: "none" } : from.fail(`has a run of unknown kind ${kind}`);
}

function readPrefill(from: ByteReader): PrefillRun {
  const slot = from.u32();
  const past = from.u32();
  const tokens = from.i32s();
  const row = from.u32();
  const position = from.u32();
  if ((row === NONE_U32) !== (position === NONE_U32)) from.fail("samples a row without a position, or a position without a row");
  return { kind: "prefill", slot, past, tokens, sample: row === NONE_U32 ? undefined : { row, position } };
}

function readDecode(from: ByteReader): DecodeRun {
  const firstSlot = from.u32();
  const rows = readList(from, from.u32(), 12, (): DecodeRow => {
    const token = from.u32();
    const past = from.u32();
    const position = from.u32();
    return { token, past, position: position === NONE_U32 ? undefined : position };
  });
  return { kind: "decode", firstSlot, rows };
}

function readList<T>(from: ByteReader, count: number, itemBytes: number, read: () => T): T[] {
  const items: T[] = [];
  for (let left = from.count(count, itemBytes); left > 0; left--) items.push(read());
  return items;
}
