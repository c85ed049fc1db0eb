/**
 * What the store says is wanted, as this gateway knows it: read again and again, told to who asks, changed by compare-and-set. A store
 * that was emptied or set back gets back what it has lost; while it is away the last known state holds.
 */
import type { Clock } from "../../core/clock.ts";
import { ServingError } from "../../core/errors.ts";
import type { WantedEntry, WantedModel, WantedModels, WantedNodeEntry, WantedSnapshot } from "../../core/store/placement/wanted-models.ts";
import type { Logger } from "../../core/telemetry/logger.ts";

const PERIOD_MS = 250;
/** Failures in a row that are worth a word. */
const FAILURES_TOLD = 3;
/** Changes of one entry that others may have been faster with, in a row. */
const ATTEMPTS_MAX = 16;

export interface WantedWatchDeps {
  readonly store: WantedModels;
  readonly clock: Clock;
  readonly logger: Logger;
}

export class WantedWatch implements Disposable {
  readonly #deps: WantedWatchDeps;
  readonly #listeners = new Set<() => void>();
  #snapshot: WantedSnapshot | undefined;
  /** Reads come one after the other: an answer that was overtaken would look like a store that was set back. */
  #reading: Promise<void> = Promise.resolve();
  /** In a row; at a start the store's connection may come a moment later. */
  #failures = 0;
  readonly #heardOnce = Promise.withResolvers<void>();
  #closed = false;
  #takeBack: () => void = () => {};

  constructor(deps: WantedWatchDeps) {
    this.#deps = deps;
    this.#poll();
  }

  /** By model; the same map until something changes. */
  get entries(): ReadonlyMap<string, WantedEntry> {
    return this.#snapshot?.entries ?? NOTHING;
  }

  /** By node, whether it is to be left. */
  get nodes(): ReadonlyMap<string, WantedNodeEntry> {
    return this.#snapshot?.nodes ?? NO_NODES;
  }

  /** Resolves when the store has been read for the first time. */
  get heardOnce(): Promise<void> {
    return this.#heardOnce.promise;
  }

  /** @returns what stops the calls. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Resolves when what the store says now is known here. @throws ServingError UNAVAILABLE */
  refresh(): Promise<void> {
    const read = this.#reading.then(() => this.#read());
    this.#reading = read.catch(() => {});
    return read;
  }

  /**
   * @param decide what is to be wanted of the model; undefined: it stays as it is. Asked again when somebody else was faster.
   * @throws ServingError UNAVAILABLE, and what `decide` throws
   */
  async change(model: string, decide: (entry: WantedEntry | undefined) => WantedModel | undefined): Promise<void> {
    await this.#change(`model '${model}' is being loaded and unloaded`, (store) => {
      const entry = this.entries.get(model);
      const wanted = decide(entry);
      return wanted && store.change(model, entry?.version ?? 0, wanted);
    });
  }

  /** Whether a node is to be left; it need not be there. @throws ServingError UNAVAILABLE */
  async leave(node: string, leaving: boolean): Promise<void> {
    await this.#change(`node '${node}' is being drained and taken back`, (store) => {
      const { version, wanted } = this.nodes.get(node) ?? { version: 0, wanted: { leaving: false } };
      return wanted.leaving === leaving ? undefined : store.changeNode(node, version, { leaving });
    });
  }

  /** @param make undefined: there is nothing to change; false: somebody else was faster */
  async #change(busy: string, make: (store: WantedModels) => Promise<boolean> | undefined): Promise<void> {
    if (this.#snapshot === undefined) await this.refresh();
    for (let attempt = 1; attempt <= ATTEMPTS_MAX; attempt++) {
      const made = make(this.#deps.store);
      if (made === undefined) return;
      const isMade = await made;
      await this.refresh();
      if (isMade) return;
    }
    throw new ServingError("ABORTED", `${busy} by others all the time: try again`);
  }

  #poll(): void {
    this.refresh()
      .then(
        () => this.#heard(undefined),
        (thrown: unknown) => this.#heard(ServingError.from(thrown)),
      )
      .finally(() => {
        if (!this.#closed) this.#takeBack = this.#deps.clock.after(PERIOD_MS, () => this.#poll());
      });
  }

  #heard(err: ServingError | undefined): void {
    this.#failures = err === undefined ? 0 : this.#failures + 1;
    if (this.#failures === FAILURES_TOLD) this.#deps.logger.warn({ err }, "what is wanted cannot be read; the last known state holds");
    if (err === undefined) this.#heardOnce.resolve();
  }

  async #read(): Promise<void> {
    const { store, logger } = this.#deps;
    const before = this.#snapshot;
    let read = await store.read(before);
    if (read === undefined) return;
    if (before !== undefined && before.entries.size + before.nodes.size > 0 && hasLost(before, read)) {
      logger.warn({ revision: before.revision, found: read.revision }, "the store has lost what was wanted; it is put back");
      await store.restore(before);
      read = (await store.read(undefined)) ?? read;
    }
    this.#snapshot = read;
    for (const listener of this.#listeners) listener();
  }

  [Symbol.dispose](): void {
    this.#closed = true;
    this.#takeBack();
    this.#listeners.clear();
  }
}

const NOTHING: ReadonlyMap<string, WantedEntry> = new Map();
const NO_NODES: ReadonlyMap<string, WantedNodeEntry> = new Map();

const hasLost = (before: WantedSnapshot, read: WantedSnapshot): boolean =>
  read.incarnation !== before.incarnation || read.revision < before.revision;
