/** Reads what a lead has written down of a generation that was lost together with its gateway. */
import { type JournaledGeneration, journaledGeneration } from "../../../core/messages/journal-entries.ts";
import type { JournalKeys } from "../../../core/store/journals/journal-seal.ts";
import type { JournalStore } from "../../../core/store/journals/journal-store.ts";

export class GenerationJournals {
  readonly #store: JournalStore;
  readonly #keys: JournalKeys;

  constructor(store: JournalStore, keys: JournalKeys) {
    this.#store = store;
    this.#keys = keys;
  }

  /**
   * undefined: there is none, or it is another tenant's.
   * @throws ServingError UNAVAILABLE when the store is away, DATA_LOSS when its entries cannot be opened
   */
  async read({ generation, tenant }: { readonly generation: string; readonly tenant: string }): Promise<JournaledGeneration | undefined> {
    const journal = await this.#store.read(generation);
    if (journal === undefined) return undefined;
    const { fence, entries } = journal;
    const found = journaledGeneration(entries.map((entry, at) => this.#keys.open({ generation, fence }, at, entry)));
    return found.submit.tenant === tenant ? found : undefined;
  }
}
