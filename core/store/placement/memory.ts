/**
 * Placement's part of the store in memory: for a cluster in one process, and for tests, which can empty it, set it back and take it
 * away. Answers come on a later turn, and entries are what their JSON is, as with a real store.
 */
import type { Clock } from "../../clock.ts";
import { ServingError } from "../../errors.ts";
import { decodeJson, encodeJson } from "../../messages/json-message.ts";
import type { Random } from "../../random.ts";
import type { LeaseAnswer, LeaseClaim, PlacementLease } from "./placement-lease.ts";
import { type WantedEntry, WantedModel, type WantedModels, type WantedSnapshot } from "./wanted-models.ts";

interface StoredEntry {
  readonly version: number;
  readonly json: Uint8Array;
}

/** What a real store loses when it is emptied. */
interface Contents {
  incarnation: string;
  revision: number;
  entries: Map<string, StoredEntry>;
  lease: { readonly holder: string; readonly untilMs: number } | undefined;
  fence: number;
}

export class MemoryPlacementStore {
  readonly #clock: Clock;
  readonly #random: Random;
  #contents: Contents;
  #away = false;
  readonly wantedModels: WantedModels;
  readonly lease: PlacementLease;

  constructor(deps: { readonly clock: Clock; readonly random: Random }) {
    this.#clock = deps.clock;
    this.#random = deps.random;
    this.#contents = this.#empty();
    this.wantedModels = {
      read: (known) => this.#answer(() => this.#read(known)),
      change: (model, expected, wanted) => this.#answer(() => this.#change(model, expected, encodeJson(wanted))),
      restore: (snapshot) => this.#answer(() => this.#restore(snapshot)),
    };
    this.lease = {
      hold: (claim) => this.#answer(() => this.#hold(claim)),
      release: (holder, fence) => this.#answer(() => this.#release(holder, fence)),
    };
  }

  /** Everything is lost, as by FLUSHALL. */
  wipe(): void {
    this.#contents = this.#empty();
  }

  /** @returns what sets the store back to what it holds now, as an old snapshot would. */
  keep(): () => void {
    const { entries, ...rest } = this.#contents;
    const kept = new Map(entries);
    return () => {
      this.#contents = { ...rest, entries: new Map(kept) };
    };
  }

  /** While it is away everything asked of it fails. */
  setAway(away: boolean): void {
    this.#away = away;
  }

  #empty(): Contents {
    return { incarnation: this.#random.id(), revision: 0, entries: new Map(), lease: undefined, fence: 0 };
  }

  async #answer<T>(transition: () => T): Promise<T> {
    await new Promise<void>((resolve) => setImmediate(resolve));
    if (this.#away) throw new ServingError("UNAVAILABLE", "the store in memory is away: try again", { reason: "store_unavailable" });
    return transition();
  }

  #read(known: Pick<WantedSnapshot, "incarnation" | "revision"> | undefined): WantedSnapshot | undefined {
    const { incarnation, revision, entries } = this.#contents;
    if (known?.incarnation === incarnation && known.revision === revision) return undefined;
    const decoded = [...entries].map(([model, { version, json }]): [string, WantedEntry] => [
      model,
      { version, wanted: decodeJson(WantedModel, json) },
    ]);
    return { incarnation, revision, entries: new Map(decoded) };
  }

  #change(model: string, expected: number, json: Uint8Array): boolean {
    const { entries } = this.#contents;
    if ((entries.get(model)?.version ?? 0) !== expected) return false;
    entries.set(model, { version: expected + 1, json });
    this.#contents.revision += 1;
    return true;
  }

  #restore(snapshot: WantedSnapshot): void {
    const { entries } = this.#contents;
    const lost = [...snapshot.entries].filter(([model, { version }]) => (entries.get(model)?.version ?? 0) < version);
    for (const [model, { version, wanted }] of lost) entries.set(model, { version, json: encodeJson(wanted) });
    if (lost.length > 0) this.#contents.revision = Math.max(this.#contents.revision, snapshot.revision) + 1;
  }

  #hold({ holder, ttlMs, fenceMin }: LeaseClaim): LeaseAnswer {
    const nowMs = this.#clock.now();
    const { lease, fence } = this.#contents;
    const valid = lease !== undefined && lease.untilMs > nowMs ? lease : undefined;
    if (valid !== undefined && valid.holder !== holder) return { kind: "taken", leftMs: valid.untilMs - nowMs };
    if (valid === undefined || fence < fenceMin) this.#contents.fence = Math.max(fence, fenceMin) + 1;
    this.#contents.lease = { holder, untilMs: nowMs + ttlMs };
    return { kind: "held", fence: this.#contents.fence };
  }

  #release(holder: string, fence: number): void {
    if (this.#contents.lease?.holder === holder && this.#contents.fence === fence) this.#contents.lease = undefined;
  }
}
