/** A generation as its lead knows it, and its choices: what the scheduler moves between the waiting line, slots and steps. Pure. */
import { assert } from "../../core/errors.ts";
import type { BegunChoice } from "../../core/messages/generation.ts";
import type { SamplingParameters } from "../../core/model/sampling-parameters.ts";
import type { GenerationTiming } from "./generation-timing.ts";

/** Who comes in nobody's name, the canary, comes before all and is no load. */
export const NO_TENANT = "";

export interface GenerationOffer {
  /** Names the generation in calls and events; differs for all that live at the same time. */
  readonly key: number;
  readonly tenant: string;
  /** At least one id, fewer than the context holds. */
  readonly promptIds: Int32Array;
  /** At most as many as there are slots. */
  readonly choices: number;
  readonly tokensMax: number;
  readonly stopIds: readonly number[];
  readonly sampling: SamplingParameters;
  /** By choice; see GenerationSubmit. */
  readonly begun: readonly BegunChoice[];
  /** On the clock of `nowMs`; undefined: none. */
  readonly deadlineMs: number | undefined;
  /** Kept where it is traced. */
  readonly timing?: GenerationTiming | undefined;
}

export interface Generation {
  readonly offer: GenerationOffer;
  readonly arrivedMs: number;
  readonly sequences: readonly Sequence[];
  /** Sequences that have not ended. */
  live: number;
  paused: boolean;
}

/** `parked`: paused for so long that its slot was given to others. */
export type SequencePhase = "queued" | "parked" | "prefilling" | "decoding" | "ended";

/** One choice of a generation. */
export interface Sequence {
  readonly generation: Generation;
  readonly choice: number;
  /** From the last run of its prompt until the first token has come back it is still prefilling. */
  phase: SequencePhase;
  /** undefined before and after it holds one. */
  slot: number | undefined;
  /** Its tokens in the slot once every submitted step has run: the `past` of its next run. */
  cached: number;
  /** It has lost its cache by a fault, and has not got it back; not one whose reader was slow. */
  rebuilding: boolean;
  /**
   * Output tokens that are known: the next one has position `outputIds.length`. Those that are not cached yet are fed by decode
   * runs, one after another, and only the newest one's row is sampled: a cache that is built again gets the bits that it had.
   */
  readonly outputIds: number[];
}

export function createGeneration(offer: GenerationOffer, nowMs: number): Generation {
  const sequences: Sequence[] = [];
  const generation: Generation = { offer, arrivedMs: nowMs, sequences, live: 0, paused: false };
  for (let choice = 0; choice < offer.choices; choice++) {
    const begun = offer.begun[choice];
    const phase = begun?.over === true ? "ended" : "queued";
    if (phase !== "ended") generation.live += 1;
    const outputIds = [...(begun?.outputIds ?? [])];
    sequences.push({ generation, choice, phase, slot: undefined, cached: 0, rebuilding: outputIds.length > 0, outputIds });
  }
  return generation;
}

/** Prompt tokens that no submitted run has covered. */
export function promptLeft(sequence: Sequence): number {
  return Math.max(0, sequence.generation.offer.promptIds.length - sequence.cached);
}

/** Whether it is a row of its micro-batch's next run. */
export function decodes(sequence: Sequence): boolean {
  return sequence.phase === "decoding" && !sequence.generation.paused;
}

export interface SequenceLoad {
  readonly busySlots: number;
  readonly queued: number;
  /** When the oldest that waits came; absent: none waits. */
  readonly queuedSinceMs?: number;
}

export function clientLoad(generations: Iterable<Generation>): SequenceLoad {
  let busySlots = 0;
  let queued = 0;
  let queuedSinceMs: number | undefined; // generations come in the order of their arrival
  for (const { offer, sequences, arrivedMs } of generations) {
    if (offer.tenant === NO_TENANT) continue;
    for (const { slot, phase } of sequences) {
      if (slot !== undefined) busySlots += 1;
      if (phase !== "queued") continue;
      queued += 1;
      queuedSinceMs ??= arrivedMs;
    }
  }
  return queuedSinceMs === undefined ? { busySlots, queued } : { busySlots, queued, queuedSinceMs };
}

export function earliestDeadlineMs(generations: Iterable<Generation>): number | undefined {
  let earliest: number | undefined;
  for (const { offer } of generations) {
    if (offer.deadlineMs !== undefined && (earliest === undefined || offer.deadlineMs < earliest)) earliest = offer.deadlineMs;
  }
  return earliest;
}

/** @throws Error when an invariant is broken. */
export function checkGenerations(
  generations: Iterable<Generation>,
  contextLength: number,
): { readonly queued: number; readonly holding: number } {
  let queued = 0;
  let holding = 0;
  for (const generation of generations) {
    const live = generation.sequences.filter((sequence) => sequence.phase !== "ended");
    assert(live.length === generation.live && live.length > 0, "a generation lives as long as one of its choices");
    for (const sequence of live) {
      const waits = sequence.phase === "queued" || sequence.phase === "parked";
      assert((sequence.slot === undefined) === waits, "a sequence waits or holds a slot");
      assert(sequence.cached < contextLength, "a slot has a position left for the next token, or an idle row's");
      if (sequence.phase === "queued") queued += 1;
      if (sequence.slot !== undefined) holding += 1;
    }
  }
  return { queued, holding };
}
