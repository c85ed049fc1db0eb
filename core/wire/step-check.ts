/**
 * May this shard run this step? Everything that came over the wire passes here before native code sees it: the runtime checks
 * some bounds itself, but a batch of no rows kills the process. Pure.
 */
import { ServingError } from "../errors.ts";
import type { SamplingParameters } from "../model/sampling-parameters.ts";
import type { Admission, DecodeRun, PrefillRun, ReplayRun, Step } from "./step.ts";

export interface StepLimits {
  readonly slots: number;
  readonly contextLength: number;
  readonly vocabSize: number;
}

/** Tokens in one prefill run at most: activations are bound for so many. */
export const PREFILL_TOKENS_MAX = 2048;
/** Rows of one replay at most: a stage sees the slot at as many addresses. */
export const REPLAY_TOKENS_MAX = 64;
const POSITION_MAX = 2 ** 31 - 1;
const TOP_LOGPROBS_MAX = 20;

/** Rows B and tokens per row S of a run: the shape of its activations. */
export function runShape(run: Step["run"]): { readonly rows: number; readonly tokens: number } {
  switch (run.kind) {
    case "prefill":
      return { rows: 1, tokens: run.tokens.length };
    case "decode":
      return { rows: run.rows.length, tokens: 1 };
    case "replay":
      return { rows: run.tokens.length, tokens: 1 };
    case "none":
      return { rows: 0, tokens: 0 };
  }
}

/** @throws ServingError INVALID_ARGUMENT naming the number that is out of bounds. */
export function checkStep(step: Step, limits: StepLimits): void {
  for (const slot of step.releases) bound("released slot", slot, limits.slots);
  for (const copy of step.copies) {
    bound("copied slot", copy.from, limits.slots);
    bound("slot copied to", copy.to, limits.slots);
    bound("tokens copied", copy.tokens, limits.contextLength + 1);
    if (copy.from === copy.to) refuse(`slot ${copy.from} is copied to itself`);
  }
  for (const admission of step.admissions) checkAdmission(admission, limits);
  if (step.run.kind === "prefill") checkPrefill(step.run, limits);
  else if (step.run.kind === "replay") checkTokens(step.run, REPLAY_TOKENS_MAX, limits);
  else if (step.run.kind === "decode") checkDecode(step.run, limits);
}

/** @throws ServingError INVALID_ARGUMENT unless the bytes are exactly residual and addend of this run. */
export function checkActivations(run: Step["run"], hiddenSize: number, byteLength: number): void {
  const { rows, tokens } = runShape(run);
  const wanted = 2 * rows * tokens * hiddenSize * Float32Array.BYTES_PER_ELEMENT;
  if (byteLength !== wanted) refuse(`activations of ${byteLength} bytes, ${wanted} belong to ${rows} x ${tokens} rows of ${hiddenSize}`);
}

function checkPrefill(run: PrefillRun, limits: StepLimits): void {
  checkTokens(run, PREFILL_TOKENS_MAX, limits);
  if (run.sample === undefined) return;
  bound("sampled row", run.sample.row, run.tokens.length);
  bound("position", run.sample.position, POSITION_MAX);
}

function checkTokens({ kind, slot, past, tokens }: PrefillRun | ReplayRun, most: number, limits: StepLimits): void {
  const count = tokens.length;
  bound("slot", slot, limits.slots);
  if (count < 2 || count > most) refuse(`${kind} of ${count} tokens, 2 to ${most} are possible`);
  if (past + count > limits.contextLength) overflow(slot, past + count, limits);
  for (const token of tokens) bound("token", token, limits.vocabSize);
}

function checkDecode(run: DecodeRun, limits: StepLimits): void {
  if (run.rows.length < 1) refuse("decode of no rows");
  bound("first slot", run.firstSlot, limits.slots);
  bound("last slot", run.firstSlot + run.rows.length - 1, limits.slots);
  for (const [index, row] of run.rows.entries()) {
    bound("token", row.token, limits.vocabSize);
    if (row.past + 1 > limits.contextLength) overflow(run.firstSlot + index, row.past + 1, limits);
    if (row.position !== undefined) bound("position", row.position, POSITION_MAX);
  }
}

function checkAdmission(admission: Admission, limits: StepLimits): void {
  bound("admitted slot", admission.slot, limits.slots);
  bound("choice", admission.choice, 2 ** 31);
  for (const id of admission.promptIds) bound("prompt id", id, limits.vocabSize);
  for (const id of admission.outputIds) bound("output id", id, limits.vocabSize);
  checkSampling(admission.sampling, limits);
}

function checkSampling(sampling: SamplingParameters, limits: StepLimits): void {
  range("temperature", sampling.temperature, 0, 100);
  range("top_p", sampling.topP, Number.MIN_VALUE, 1);
  range("min_p", sampling.minP, 0, 1);
  range("repetition_penalty", sampling.repetitionPenalty, Number.MIN_VALUE, 1e6);
  range("presence_penalty", sampling.presencePenalty, -1e6, 1e6);
  range("frequency_penalty", sampling.frequencyPenalty, -1e6, 1e6);
  if (sampling.topLogprobs !== undefined) bound("top_logprobs", sampling.topLogprobs, TOP_LOGPROBS_MAX + 1);
  for (const [id, bias] of sampling.logitBias) {
    bound("biased id", id, limits.vocabSize);
    range("logit bias", bias, -1e6, 1e6);
  }
}

/** `value` must be in [0, end). */
function bound(what: string, value: number, end: number): void {
  if (!(value >= 0 && value < end)) refuse(`${what} is ${value}, must be 0 to ${end - 1}`);
}

function range(what: string, value: number, least: number, most: number): void {
  if (!(value >= least && value <= most)) refuse(`${what} is ${value}, must be ${least} to ${most}`);
}

function overflow(slot: number, tokens: number, limits: StepLimits): never {
  refuse(`slot ${slot} would hold ${tokens} tokens, at most ${limits.contextLength}`);
}

function refuse(why: string): never {
  throw new ServingError("INVALID_ARGUMENT", why, { reason: "bad_step" });
}
