/**
 * Writes down what resumable generations come to, four times a second, for the case that this node and the gateway are lost together.
 * The lead alone writes; a store that is away holds nothing up.
 */
import type { Clock } from "../core/clock.ts";
import { ServingError } from "../core/errors.ts";
import type { Logger } from "../core/telemetry/logger.ts";
import type { KeptGeneration } from "./kept-generation.ts";
import { WrittenJournal, type WrittenJournalDeps } from "./written-journal.ts";

const PERIOD_MS = 250;

/** How an agent keeps journals. */
export interface JournalOptions extends Pick<WrittenJournalDeps, "store" | "keys"> {
  /** Of models whose configuration does not say. */
  readonly byDefault: boolean;
}

export interface JournalDeps extends WrittenJournalDeps {
  readonly clock: Clock;
  readonly logger: Logger;
}

export class GenerationJournal implements Disposable {
  readonly #deps: JournalDeps;
  readonly #journals = new Map<KeptGeneration, WrittenJournal>();
  /** Those to which more may come. */
  readonly #open = new Set<WrittenJournal>();
  #takeBack: (() => void) | undefined;
  #failing = false;

  constructor(deps: JournalDeps) {
    this.#deps = deps;
  }

  begin(kept: KeptGeneration): void {
    const journal = new WrittenJournal(kept, this.#deps);
    this.#journals.set(kept, journal);
    this.#open.add(journal);
    this.#try(journal.write());
    this.#takeBack ??= this.#deps.clock.after(PERIOD_MS, () => this.#write());
  }

  forget(kept: KeptGeneration): void {
    const journal = this.#journals.get(kept);
    if (journal === undefined) return;
    this.#journals.delete(kept);
    this.#open.delete(journal);
    this.#try(journal.forget());
  }

  [Symbol.dispose](): void {
    this.#takeBack?.();
    this.#open.clear();
  }

  #write(): void {
    for (const journal of this.#open) {
      if (journal.over) this.#open.delete(journal);
      else this.#try(journal.write());
    }
    this.#takeBack = this.#open.size === 0 ? undefined : this.#deps.clock.after(PERIOD_MS, () => this.#write());
  }

  /** @param done whether the store answered: a journal that had nothing to write says nothing of the store */
  #try(done: Promise<boolean>): void {
    done.then(
      (answered) => {
        if (answered) this.#failing = false;
      },
      (thrown: unknown) => {
        if (!this.#failing) this.#deps.logger.warn({ err: ServingError.from(thrown) }, "the journal of generations cannot be written");
        this.#failing = true;
      },
    );
  }
}
