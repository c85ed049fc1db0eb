/**
 * Placement's part of the store in memory: for a cluster in one process, and for tests, which can empty it, set it back and take it
 * away. Answers come on a later turn, and entries are what their JSON is, as with a real store.
 */

import type { Static, TSchema } from "typebox";
import type { Clock } from "../../clock.ts";
import { ServingError } from "../../errors.ts";
import { decodeJson, encodeJson } from "../../messages/json-message.ts";
import type { Random } from "../../random.ts";
import type { LeaseAnswer, LeaseClaim, PlacementLease } from "./placement-lease.ts";
import { WantedModel, type WantedModels, WantedNode, type WantedSnapshot } from "./wanted-models.ts";

interface StoredEntry {
  readonly version: number;
  readonly json: Uint8Array;
}
type Table = ReadonlyMap<string, StoredEntry>;

/** What a real store loses when it is emptied. */
interface Contents {
  incarnation: string;
  revision: number;
  entries: Map<string, StoredEntry>;
  nodes: Map<string, StoredEntry>;
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
      change: (model, expected, wanted) => this.#answer(() => this.#change("entries", model, expected, encodeJson(wanted))),
      changeNode: (node, expected, wanted) => this.#answer(() => this.#change("nodes", node, expected, encodeJson(wanted))),
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
    const { entries, nodes, ...rest } = this.#contents;
    const kept = { entries: new Map(entries), nodes: new Map(nodes) };
    return () => {
      this.#contents = { ...rest, entries: new Map(kept.entries), nodes: new Map(kept.nodes) };
    };
  }

  /** While it is away everything asked of it fails. */
  setAway(away: boolean): void {
    this.#away = away;
  }

  #empty(): Contents {
    return { incarnation: this.#random.id(), revision: 0, entries: new Map(), nodes: new Map(), lease: undefined, fence: 0 };
  }

  async #answer<T>(transition: () => T): Promise<T> {
    await new Promise<void>((resolve) => setImmediate(resolve));
    if (this.#away) throw new ServingError("UNAVAILABLE", "the store in memory is away: try again", { reason: "store_unavailable" });
    return transition();
  }

  #read(known: Pick<WantedSnapshot, "incarnation" | "revision"> | undefined): WantedSnapshot | undefined {
    const { incarnation, revision, entries, nodes } = this.#contents;
    if (known?.incarnation === incarnation && known.revision === revision) return undefined;
    return { incarnation, revision, entries: decoded(WantedModel, entries), nodes: decoded(WantedNode, nodes) };
  }

  #change(table: "entries" | "nodes", key: string, expected: number, json: Uint8Array): boolean {
    const stored = this.#contents[table];
    if ((stored.get(key)?.version ?? 0) !== expected) return false;
    stored.set(key, { version: expected + 1, json });
    this.#contents.revision += 1;
    return true;
  }

  #restore(snapshot: WantedSnapshot): void {
    let hasLost = false;
    for (const table of ["entries", "nodes"] as const) {
      const stored = this.#contents[table];
      for (const [key, { version, wanted }] of snapshot[table]) {
        if ((stored.get(key)?.version ?? 0) >= version) continue;
        stored.set(key, { version, json: encodeJson(wanted) });
        hasLost = true;
      }
    }
    if (hasLost) this.#contents.revision = Math.max(this.#contents.revision, snapshot.revision) + 1;
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

function decoded<Schema extends TSchema>(
  schema: Schema,
  table: Table,
): ReadonlyMap<string, { readonly version: number; readonly wanted: Static<Schema> }> {
  return new Map([...table].map(([key, { version, json }]) => [key, { version, wanted: decodeJson(schema, json) }]));
}
