/** Bugs that journals might have, each made at the port between a lead and the store: found where nothing but a journal is left. */
import { sleep } from "../../../core/clock.ts";
import { decodeAnswer, encodeAnswer } from "../../../core/messages/answer-codec.ts";
import type { ChoiceToken } from "../../../core/messages/generation.ts";
import type { JournalStore } from "../../../core/store/journals/journal-store.ts";
import type { KeptJournals, PlantedBug } from "./planted-bugs.ts";

const NEVER = new AbortController().signal;

/** Who could go on has been told that it can long before this. */
const LATE_MS = 2_000;

/** @param change what becomes of an entry's tokens */
function miswritten(change: (tokens: readonly ChoiceToken[]) => readonly ChoiceToken[]) {
  return ({ store, keys }: KeptJournals): JournalStore => ({
    append: async (generation, entry, ttlMs) => {
      const { fence, at, bytes } = entry;
      if (at === 0) return await store.append(generation, entry, ttlMs);
      const frame = decodeAnswer(keys.open({ generation, fence }, at, bytes));
      const tokens = frame.kind === "tokens" ? change(frame.tokens) : [];
      const sealed = keys.seal({ generation, fence }, at, encodeAnswer({ kind: "tokens", tokens }));
      return await store.append(generation, { ...entry, bytes: sealed }, ttlMs);
    },
    read: (generation) => store.read(generation),
    forget: (generation, fence) => store.forget(generation, fence),
  });
}

function begunLate({ store, clock }: KeptJournals): JournalStore {
  return {
    append: async (generation, entry, ttlMs) => {
      if (entry.at === 0) await sleep(clock, LATE_MS, NEVER);
      return await store.append(generation, entry, ttlMs);
    },
    read: (generation) => store.read(generation),
    forget: (generation, fence) => store.forget(generation, fence),
  };
}

/** Neither the fence nor the entry's number is compared: what a lead that was replaced writes lands in its successor's journal. */
function unfenced({ store }: KeptJournals): JournalStore {
  return {
    append: async (generation, entry, ttlMs) => {
      const present = entry.at === 0 ? undefined : await store.read(generation);
      const last = present === undefined ? entry : { ...entry, fence: present.fence, at: present.entries.length };
      return await store.append(generation, last, ttlMs);
    },
    read: (generation) => store.read(generation),
    forget: (generation, fence) => store.forget(generation, fence),
  };
}

export const JOURNAL_BUGS: readonly PlantedBug[] = [
  { name: "promises what is written down later", journals: begunLate },
  { name: "leaves tokens out of a journal", journals: miswritten((tokens) => tokens.slice(0, -1)) },
  { name: "writes tokens down twice", journals: miswritten((tokens) => [...tokens, ...tokens.slice(-1)]) },
];

/** Two leads have to run at once, and both to be read from: `journal.test.ts` finds it. */
export const UNFENCED: PlantedBug = { name: "lets a lead that was replaced write on", journals: unfenced };

/** What leads write to, with the bug in it. */
export function journalWithBug(bug: PlantedBug | undefined, kept: KeptJournals): Pick<KeptJournals, "store" | "keys"> {
  return { keys: kept.keys, store: bug?.journals?.(kept) ?? kept.store };
}
