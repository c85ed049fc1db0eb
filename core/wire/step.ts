/**
 * What the lead tells the stages to do, and what comes back. One step is one run of the graph; it travels from stage to stage
 * with its activations, and every stage does the parts of a step in the order of the fields below, so that no two stages can
 * disagree about what a slot holds. Pure.
 */
import type { SampledToken, SamplingParameters } from "../model/sampling-parameters.ts";

/** The first `tokens` positions of `from` are copied to `to`, sampling state too; `from` keeps its own. */
export interface SlotCopy {
  readonly from: number;
  readonly to: number;
  readonly tokens: number;
}

/** A sequence enters a slot: what the last stage must know to sample for it. */
export interface Admission {
  readonly slot: number;
  readonly choice: number;
  readonly sampling: SamplingParameters;
  /** Ids that count for the repetition penalty; empty when it is off. */
  readonly promptIds: Int32Array;
  /** Ids already emitted, for penalties: a generation that is being rebuilt has some. */
  readonly outputIds: Int32Array;
}

/**
 * Tokens of one prompt, at positions [past, past + tokens.length) of its slot; at least two (engine.md section 5: a run of one
 * token does not give a prompt's bits).
 */
export interface PrefillRun {
  readonly kind: "prefill";
  readonly slot: number;
  readonly past: number;
  readonly tokens: Int32Array;
  /** Index into `tokens` whose logits are sampled, at output position `position`; undefined for inner chunks. */
  readonly sample: { readonly row: number; readonly position: number } | undefined;
}

/**
 * Output tokens of one sequence that are known, at positions [past, past + tokens.length) of its slot; at least two. The slot gets
 * the bits that as many decode runs would give it, one after another. Nothing is sampled.
 */
export interface ReplayRun {
  readonly kind: "replay";
  readonly slot: number;
  readonly past: number;
  readonly tokens: Int32Array;
}

/** One row of a decode run. */
export interface DecodeRow {
  readonly token: number;
  /** Tokens in the slot's cache before this run. */
  readonly past: number;
  /** Output position that is sampled; undefined for a row that only fills the cache, or is idle. */
  readonly position: number | undefined;
}

/** One token each for slots [firstSlot, firstSlot + rows.length). */
export interface DecodeRun {
  readonly kind: "decode";
  readonly firstSlot: number;
  readonly rows: readonly DecodeRow[];
}

/** Nothing to compute: the step carries releases only, and passes every stage at once. It has no activations; its stageUs are 0. */
export interface NoRun {
  readonly kind: "none";
}

export interface Step {
  readonly epoch: number;
  /** Counts up by one within an epoch. */
  readonly step: number;
  /** Slots whose memory goes back to the system. */
  readonly releases: readonly number[];
  readonly copies: readonly SlotCopy[];
  readonly admissions: readonly Admission[];
  readonly run: PrefillRun | ReplayRun | DecodeRun | NoRun;
}

export interface StepToken extends SampledToken {
  readonly slot: number;
  readonly position: number;
}

export interface StepResult {
  readonly epoch: number;
  readonly step: number;
  readonly tokens: readonly StepToken[];
  /** Microseconds that each stage spent in its run, stage 0 first. */
  readonly stageUs: readonly number[];
}
