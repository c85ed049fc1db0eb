/**
 * Who owns which slot, as it will be once every submitted step has run. Steps run in the order of submission on every stage, so
 * the table may give a slot away while steps of its last owner are under way: what those do to the slot comes before whatever the
 * next step does, and their tokens are matched by the step's own rows, never by who owns the slot now. Pure.
 */
import { assert } from "../../core/errors.ts";
import type { Sequence } from "./sequence.ts";

/** What a free slot's memory holds. */
type Trace = "nothing" | "idle rows" | "a sequence";

export class SlotTable {
  readonly #owners: (Sequence | undefined)[];
  readonly #traces: Trace[];
  #free: number; // invariant: slots without an owner, see check()

  constructor(slots: number) {
    this.#owners = Array.from({ length: slots }, () => undefined);
    this.#traces = Array.from({ length: slots }, () => "nothing");
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

  take(slot: number, sequence: Sequence): void {
    assert(this.isFree(slot) && sequence.slot === undefined, `slot ${slot} is free and its new sequence has none`);
    this.#owners[slot] = sequence;
    this.#traces[slot] = "nothing"; // the pages are the new owner's
    this.#free -= 1;
    sequence.slot = slot;
  }

  leave(sequence: Sequence): void {
    const slot = sequence.slot;
    assert(slot !== undefined && this.#owners[slot] === sequence, "a sequence leaves the slot that it owns");
    this.#owners[slot] = undefined;
    this.#traces[slot] = "a sequence";
    this.#free += 1;
    sequence.slot = undefined;
  }

  /** The caller sees to the copy. */
  move(sequence: Sequence, to: number): void {
    this.leave(sequence);
    this.take(to, sequence);
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

  #isReleasable(slot: number): boolean {
    const trace = this.#traces[slot];
    return trace === "a sequence" || (trace === "idle rows" && this.#free === this.#owners.length);
  }
}
