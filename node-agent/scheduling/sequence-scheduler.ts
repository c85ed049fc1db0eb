/**
 * Triton's sequence batcher: every sequence gets a place on an instance, or waits in the backlog for one, and its requests run one
 * after the other. Every request leaves exactly once: by `next` and then `done`, by `expired`, `cancel`, `drop` or `clear`. Pure.
 */
import { assert, type ServingError } from "../../core/errors.ts";
import type { Expired } from "./batch-queue.ts";
import { DirectRows } from "./direct-rows.ts";
import { LiveSequence } from "./live-sequence.ts";
import { LowestFree } from "./lowest-free.ts";
import { OldestCandidates } from "./oldest-candidates.ts";
import type { RowPicker } from "./row-picker.ts";
import type { SequenceItem, SequenceOptions } from "./sequence-options.ts";
import { backlogTimeout, startMissing, stopping } from "./sequence-refusals.ts";

export type SequenceDecision<Item> =
  /** By batch row; undefined: a row without a request. At least one has one. */
  | { readonly kind: "run"; readonly instance: number; readonly rows: readonly (Item | undefined)[] }
  | { readonly kind: "wait"; readonly untilMs: number }
  | { readonly kind: "idle" };

export class SequenceScheduler<Item extends SequenceItem, Memory> {
  readonly #model: string;
  readonly #instances: number;
  readonly #idleMs: number;
  readonly #picker: RowPicker<Item>;
  readonly #places: LowestFree;
  readonly #live = new Map<string, LiveSequence<Item, Memory>>();
  /** First come, first served. */
  readonly #backlog = new Set<LiveSequence<Item, Memory>>();
  /** With a place and nothing to run, the longest idle first. */
  readonly #idle = new Set<LiveSequence<Item, Memory>>();
  readonly #running = new Map<Item, LiveSequence<Item, Memory>>();
  #expired: Expired<Item>[] = [];
  #gone: LiveSequence<Item, Memory>[] = [];
  #queued = 0;
  /** No sequence's time in the backlog is over before; infinite: never. */
  #dueMs = Number.POSITIVE_INFINITY;
  #startAfter: number;
  #backlogAfter: number;
  #stopped = false;

  constructor({ model, instances, maxBatchSize, strategy, idleUs, startAfter, backlogAfter }: SequenceOptions) {
    this.#model = model;
    this.#instances = instances;
    this.#idleMs = idleUs / 1000;
    const rows = Math.max(1, maxBatchSize);
    const direct = strategy.kind === "direct";
    this.#picker = direct ? new DirectRows(strategy, { instances, rows }) : new OldestCandidates(strategy, { instances, maxBatchSize });
    this.#places = new LowestFree(instances * (direct ? rows : strategy.maxCandidateSequences));
    this.#startAfter = startAfter;
    this.#backlogAfter = backlogAfter;
  }

  /** Requests that wait. */
  get queued(): number {
    return this.#queued;
  }

  /** Of every sequence that waits the request that waits longest. */
  *waiting(): Generator<Item> {
    for (const { waiting } of this.#live.values()) if (waiting[0] !== undefined) yield waiting[0];
  }

  /** Sequences that have begun and not ended. */
  get live(): number {
    return this.#live.size;
  }

  find(key: string): LiveSequence<Item, Memory> | undefined {
    return this.#live.get(key);
  }

  /** What is here will still run, and sequences go on; new ones are refused. */
  stop(): void {
    this.#stopped = true;
    this.#startAfter = 0;
    this.#backlogAfter = 0;
  }

  /**
   * @param resumed of a sequence that began elsewhere, so that this need not be its START
   * @returns why it is refused; undefined: it waits now
   */
  offer(item: Item, nowMs: number, resumed?: Memory): ServingError | undefined {
    let sequence = this.#live.get(item.key);
    if (!item.start && sequence?.open !== true && resumed === undefined) return startMissing(this.#model, item.correlation);
    if (item.start && this.#stopped) return stopping(item.id);
    if (sequence === undefined) {
      sequence = new LiveSequence(item.key, nowMs, resumed);
      this.#live.set(item.key, sequence);
      this.#backlog.add(sequence);
    }
    sequence.waiting.push(item);
    sequence.open = !item.end;
    sequence.changedMs = nowMs;
    this.#queued += 1;
    this.#idle.delete(sequence);
    if (sequence.place === undefined) {
      if (item.timeoutUs > 0) sequence.dueMs = Math.min(sequence.dueMs ?? Number.POSITIVE_INFINITY, nowMs + item.timeoutUs / 1000);
      this.#dueMs = Math.min(this.#dueMs, sequence.dueMs ?? Number.POSITIVE_INFINITY);
      this.#fillPlaces(nowMs);
    } else if (sequence.head === item) this.#ready(sequence, nowMs);
    return undefined;
  }

  /** @param free numbers of the instances that could run a batch now */
  next(free: readonly number[], nowMs: number): SequenceDecision<Item> {
    this.#expire(nowMs);
    let untilMs = Math.min(this.#dueMs, this.#idleUntilMs());
    if (!this.#heldBack()) {
      for (const instance of free) {
        const picked = this.#picker.pick(instance, nowMs);
        if (picked.kind === "run") {
          for (const item of picked.rows) if (item !== undefined) this.#run(item);
          return { kind: "run", instance, rows: picked.rows };
        }
        if (picked.kind === "wait") untilMs = Math.min(untilMs, picked.untilMs);
      }
    }
    return untilMs === Number.POSITIVE_INFINITY ? { kind: "idle" } : { kind: "wait", untilMs };
  }

  /** It has run, with success or without. */
  done(item: Item, nowMs: number): void {
    const sequence = this.#running.get(item);
    assert(sequence !== undefined, "only what runs is done");
    this.#running.delete(item);
    sequence.running = undefined;
    sequence.changedMs = nowMs;
    if (sequence.over) this.#vacate(sequence);
    else if (item.end) {
      this.#vacate(sequence);
      if (sequence.waiting.length === 0) this.#live.delete(sequence.key);
      else this.#backlog.add(sequence); // begun anew meanwhile: others have waited longer
    } else if (sequence.waiting.length > 0) this.#ready(sequence, nowMs);
    else this.#idle.add(sequence);
    this.#fillPlaces(nowMs);
  }

  /** Its sender does not want it any more: its sequence is over, unless it runs already. @returns what else leaves with it */
  cancel(item: Item, nowMs: number): readonly Item[] {
    const sequence = this.#live.get(item.key);
    if (sequence?.waiting.includes(item) !== true) return [];
    return this.drop(sequence, nowMs).filter((other) => other !== item);
  }

  /** The sequence is over. @returns the requests that leave with it; one that runs is still to be `done` */
  drop(sequence: LiveSequence<Item, Memory>, nowMs: number): readonly Item[] {
    if (sequence.over) return [];
    const { head, place } = sequence;
    if (head !== undefined && place !== undefined) this.#picker.unready(head, place);
    const left = sequence.waiting.splice(0);
    this.#queued -= left.length;
    sequence.over = true;
    this.#live.delete(sequence.key);
    this.#backlog.delete(sequence);
    this.#idle.delete(sequence);
    this.#gone.push(sequence);
    if (sequence.running === undefined) this.#vacate(sequence);
    this.#fillPlaces(nowMs);
    return left;
  }

  /** Requests whose sequence waited too long for a place, each once. */
  expired(nowMs: number): readonly Expired<Item>[] {
    this.#expire(nowMs);
    const expired = this.#expired;
    this.#expired = [];
    return expired;
  }

  /** Sequences that are over without their END having run: idle for too long, canceled, dropped. Each once. */
  gone(): readonly LiveSequence<Item, Memory>[] {
    const gone = this.#gone;
    this.#gone = [];
    return gone;
  }

  /** All sequences are over. @returns the requests that waited, by sequence */
  clear(nowMs: number): readonly Item[] {
    return [...this.#live.values()].flatMap((sequence) => this.drop(sequence, nowMs));
  }

  #heldBack(): boolean {
    if (this.#startAfter > this.#queued) return true;
    this.#startAfter = 0;
    if (this.#backlogAfter === 0) return false;
    let waiting = 0;
    for (const sequence of this.#backlog) waiting += sequence.waiting.length;
    if (this.#backlogAfter > waiting) return true;
    this.#backlogAfter = 0;
    return false;
  }

  #run(item: Item): void {
    const sequence = this.#live.get(item.key);
    assert(sequence?.head === item, "a sequence's requests run in the order in which they came");
    sequence.waiting.shift();
    sequence.running = item;
    this.#running.set(item, sequence);
    this.#queued -= 1;
  }

  #ready(sequence: LiveSequence<Item, Memory>, nowMs: number): void {
    const { head, place } = sequence;
    if (head === undefined || place === undefined) return;
    sequence.readyMs = nowMs;
    this.#picker.ready(head, place, nowMs);
  }

  /** The sequences that have waited longest take the places that are free. */
  #fillPlaces(nowMs: number): void {
    for (const sequence of this.#backlog) {
      const number = this.#places.take();
      if (number === undefined) return;
      this.#backlog.delete(sequence);
      // The lowest row first, so that new sequences spread over the instances.
      sequence.place = { instance: number % this.#instances, row: Math.floor(number / this.#instances) };
      sequence.dueMs = undefined;
      this.#picker.seat(sequence, sequence.place);
      this.#ready(sequence, nowMs);
    }
  }

  #vacate(sequence: LiveSequence<Item, Memory>): void {
    const { place } = sequence;
    if (place === undefined) return;
    this.#picker.leave(place);
    this.#places.giveBack(place.row * this.#instances + place.instance);
    sequence.place = undefined;
  }

  #idleUntilMs(): number {
    for (const { changedMs } of this.#idle) return changedMs + this.#idleMs;
    return Number.POSITIVE_INFINITY;
  }

  #expire(nowMs: number): void {
    for (const sequence of this.#idle) {
      if (sequence.changedMs + this.#idleMs > nowMs) break;
      this.drop(sequence, nowMs);
    }
    if (this.#dueMs > nowMs) return;
    this.#dueMs = Number.POSITIVE_INFINITY;
    for (const sequence of this.#backlog) {
      const dueMs = sequence.dueMs ?? Number.POSITIVE_INFINITY;
      if (dueMs > nowMs) this.#dueMs = Math.min(this.#dueMs, dueMs);
      else for (const item of this.drop(sequence, nowMs)) this.#expired.push({ item, error: backlogTimeout() });
    }
  }
}
