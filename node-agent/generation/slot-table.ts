/**
 * Who owns which slot, as it will be once every submitted step has run. Steps run in the order of submission on every stage, so
 * the table may give a slot away while steps of its last owner are under way: what those do to the slot comes before whatever the
 * next step does, and their tokens are matched by the step's own rows, never by who owns the slot now. Pure.
 */
import { assert } from "../../core/errors.ts";
import type { Sequence } from "./sequence.ts";

/** What a free slot's memory holds. */
type Trace = "nothing" | "idle rows" | "a sequence" | KeptPrompt;

/** A prompt that stays in the slot that its sequence has left, for others that begin with it. */
interface KeptPrompt {
  readonly held: HeldPrompt;
  /** Positions that have memory, output tokens included. */
  readonly positions: number;
  /** Counts up: the lowest was left, or used, first. */
  readonly usedAs: number;
}

/** The first `tokens` positions of a slot hold these ids as prefill runs have written them, which is what others may share. */
export interface HeldPrompt {
  readonly tenant: string;
  readonly promptIds: Int32Array;
  readonly tokens: number;
}

/** Shorter prompts are not worth keeping, or looking for. */
export const KEPT_TOKENS_MIN = 16;

export class SlotTable {
  readonly #owners: (Sequence | undefined)[];
  readonly #traces: Trace[];
  readonly #keptPositionsMax: number;
  #free: number; // invariant: slots without an owner, see check()
  #keptPositions = 0; // of free slots, see check()
  #used = 0;

  /** @param keptPositionsMax positions that free slots may hold together for the sake of prompts to come; 0: none */
  constructor(slots: number, keptPositionsMax: number) {
    this.#owners = Array.from({ length: slots }, () => undefined);
    this.#traces = Array.from({ length: slots }, () => "nothing");
    this.#keptPositionsMax = keptPositionsMax;
    this.#free = slots;
  }

  get count(): number {
    return this.#owners.length;
  }

  get freeCount(): number {
    return this.#free;
  }

  owner(slot: number): Sequence | undefined {
    return this.#owners[slot];
  }

  isFree(slot: number): boolean {
    return this.#owners[slot] === undefined;
  }

  /** What of a prompt the slot holds; undefined: nothing that could be shared. */
  heldPrompt(slot: number): HeldPrompt | undefined {
    const owner = this.#owners[slot];
    if (owner !== undefined) return promptOf(owner);
    return this.#kept(slot)?.held;
  }

  /** 0: it holds no prompt that is kept; else the higher the later that was left, or used. */
  keptRank(slot: number): number {
    return this.#kept(slot)?.usedAs ?? 0;
  }

  /** Somebody has use for what the slot keeps: others go first. */
  keepLonger(slot: number): void {
    const kept = this.#kept(slot);
    if (kept === undefined) return;
    this.#used += 1;
    this.#traces[slot] = { ...kept, usedAs: this.#used };
  }

  /** A kept prompt in it is given up. */
  take(slot: number, sequence: Sequence): void {
    assert(this.isFree(slot) && sequence.slot === undefined, `slot ${slot} is free and its new sequence has none`);
    this.#forget(slot);
    this.#owners[slot] = sequence;
    this.#traces[slot] = "nothing"; // the pages are the new owner's
    this.#free -= 1;
    sequence.slot = slot;
  }

  /** Its prompt is kept for others, in the place of those of which nobody had use for longest. */
  leave(sequence: Sequence): void {
    const held = promptOf(sequence);
    const slot = this.#vacate(sequence);
    if (held.tokens < KEPT_TOKENS_MIN || sequence.cached > this.#keptPositionsMax) return;
    this.#used += 1;
    this.#traces[slot] = { held, positions: sequence.cached, usedAs: this.#used };
    this.#keptPositions += sequence.cached;
    while (this.#keptPositions > this.#keptPositionsMax) this.#giveUpOldest();
  }

  /** The caller sees to the copy. */
  move(sequence: Sequence, to: number): void {
    this.#vacate(sequence);
    this.take(to, sequence);
  }

  /** Where an idle row does no harm: the end of what anybody may want. */
  idlePosition(slot: number): number {
    return this.#owners[slot]?.cached ?? this.#kept(slot)?.held.tokens ?? 0;
  }

  /** An idle row is run on a slot: a free one then holds a little memory. */
  touch(slot: number): void {
    if (this.isFree(slot) && this.#traces[slot] === "nothing") this.#traces[slot] = "idle rows";
  }

  /**
   * Slots whose memory goes back with the next step: those that sequences have left, and, when no slot has an owner, those that
   * idle rows have touched (before that the next run might touch them again).
   */
  takeReleases(): number[] {
    const releases: number[] = [];
    for (let slot = 0; slot < this.#traces.length; slot++) {
      if (!this.#isReleasable(slot)) continue;
      releases.push(slot);
      this.#traces[slot] = "nothing";
    }
    return releases;
  }

  hasReleases(): boolean {
    for (let slot = 0; slot < this.#traces.length; slot++) if (this.#isReleasable(slot)) return true;
    return false;
  }

  /** @throws Error when an invariant is broken. */
  check(): void {
    let free = 0;
    let kept = 0;
    for (const slot of this.#traces.keys()) kept += this.#kept(slot)?.positions ?? 0;
    assert(kept === this.#keptPositions && kept <= this.#keptPositionsMax, `${kept} positions are kept, ${this.#keptPositions} counted`);
    for (const [slot, owner] of this.#owners.entries()) {
      if (owner === undefined) free += 1;
      else
        assert(
          owner.slot === slot && this.#traces[slot] === "nothing" && owner.phase !== "ended" && owner.phase !== "queued",
          `slot ${slot} is known to its owner`,
        );
    }
    assert(free === this.#free, `${free} slots are free, ${this.#free} are counted`);
  }

  #kept(slot: number): KeptPrompt | undefined {
    const trace = this.#traces[slot];
    return typeof trace === "object" ? trace : undefined;
  }

  #vacate(sequence: Sequence): number {
    const slot = sequence.slot;
    assert(slot !== undefined && this.#owners[slot] === sequence, "a sequence leaves the slot that it owns");
    this.#owners[slot] = undefined;
    this.#traces[slot] = "a sequence";
    this.#free += 1;
    sequence.slot = undefined;
    return slot;
  }

  #forget(slot: number): void {
    this.#keptPositions -= this.#kept(slot)?.positions ?? 0;
    this.#traces[slot] = "a sequence";
  }

  #giveUpOldest(): void {
    let oldest: number | undefined;
    for (const slot of this.#traces.keys()) {
      const rank = this.keptRank(slot);
      if (rank > 0 && (oldest === undefined || rank < this.keptRank(oldest))) oldest = slot;
    }
    assert(oldest !== undefined, "what is kept is in some slot");
    this.#forget(oldest);
  }

  #isReleasable(slot: number): boolean {
    const trace = this.#traces[slot];
    return trace === "a sequence" || (trace === "idle rows" && this.#free === this.#owners.length);
  }
}

function promptOf({ cached, generation }: Sequence): HeldPrompt {
  const { tenant, promptIds } = generation.offer;
  return { tenant, promptIds, tokens: Math.min(cached, promptIds.length) };
}
