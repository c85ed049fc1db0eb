/** What every adapter of the store of journals promises. */
import { expect, test } from "vitest";
import { JOURNAL_BYTES_MAX, type JournalStore } from "../../core/store/journals/journal-store.ts";

export interface JournalStoreRig extends AsyncDisposable {
  /** As another program sees the same store. */
  connect(): Promise<JournalStore>;
  /** Time passes by the store's clock. */
  pass(ms: number): Promise<void>;
  /** Everything that the store holds is lost. */
  wipe(): Promise<void>;
}

const TTL_MS = 60_000;
const ID = "0a1b: odd\u0000id";
/** Bytes that are no text. */
const bytes = (value: number): Uint8Array => Uint8Array.of(value, 0, 255, 10);
const append = (store: JournalStore, at: number, fence = "f1", value = at) => store.append(ID, { fence, at, bytes: bytes(value) }, TTL_MS);
const read = async (store: JournalStore) => {
  const journal = await store.read(ID);
  return journal && { fence: journal.fence, entries: journal.entries.map((entry) => [...entry]) };
};
const entries = (...values: readonly number[]) => values.map((value) => [...bytes(value)]);

export function journalStoreContract(open: () => Promise<JournalStoreRig>): void {
  test("whoever reads a journal gets its entries, byte for byte and in order", async () => {
    await using rig = await open();
    const [lead, gateway] = [await rig.connect(), await rig.connect()];
    expect(await read(gateway)).toBe(undefined);
    for (let at = 0; at < 12; at++) expect(await append(lead, at)).toEqual({ kind: "kept" });
    expect(await read(gateway)).toEqual({ fence: "f1", entries: entries(...Array.from({ length: 12 }, (_, at) => at)) });
    expect(await gateway.read("another")).toBe(undefined);
  });

  test("an entry that is sent again counts once, and one out of turn not at all", async () => {
    await using rig = await open();
    const store = await rig.connect();
    for (const at of [0, 0, 1, 1, 2]) expect(await append(store, at)).toEqual({ kind: "kept" });
    expect(await append(store, 4)).toEqual({ kind: "unknown" });
    expect(await append(store, 1)).toEqual({ kind: "unknown" });
    expect(await read(store)).toEqual({ fence: "f1", entries: entries(0, 1, 2) });
  });

  test("who begins it anew is the one that writes it", async () => {
    await using rig = await open();
    const [one, two] = [await rig.connect(), await rig.connect()];
    await append(one, 0);
    await append(one, 1);
    expect(await append(two, 0, "f2", 7)).toEqual({ kind: "kept" });
    expect(await append(one, 2)).toEqual({ kind: "taken" });
    await one.forget(ID, "f1");
    expect(await append(two, 1, "f2", 8)).toEqual({ kind: "kept" });
    expect(await read(one)).toEqual({ fence: "f2", entries: entries(7, 8) });
  });

  test("one that is forgotten is not there, and nothing can be added to it", async () => {
    await using rig = await open();
    const store = await rig.connect();
    await append(store, 0);
    await store.forget(ID, "f1");
    expect(await read(store)).toBe(undefined);
    expect(await append(store, 1)).toEqual({ kind: "unknown" });
  });

  test("it takes so many bytes and no more, and what there is stays", async () => {
    await using rig = await open();
    const store = await rig.connect();
    const large = new Uint8Array(JOURNAL_BYTES_MAX - 8);
    expect(await store.append(ID, { fence: "f1", at: 0, bytes: large }, TTL_MS)).toEqual({ kind: "kept" });
    expect(await append(store, 1)).toEqual({ kind: "kept" });
    expect(await append(store, 2)).toEqual({ kind: "kept" });
    expect(await append(store, 3)).toEqual({ kind: "full" });
    expect((await store.read(ID))?.entries.map(({ byteLength }) => byteLength)).toEqual([large.byteLength, 4, 4]);
    const larger = { fence: "f", at: 0, bytes: new Uint8Array(JOURNAL_BYTES_MAX + 1) };
    expect(await store.append("another", larger, TTL_MS)).toEqual({ kind: "full" });
  });

  test("it lasts a term from its last entry", async () => {
    await using rig = await open();
    const store = await rig.connect();
    await append(store, 0);
    await rig.pass(TTL_MS * 0.75);
    await append(store, 1);
    await rig.pass(TTL_MS * 0.75);
    expect(await read(store)).toEqual({ fence: "f1", entries: entries(0, 1) });
    await rig.pass(TTL_MS);
    expect(await read(store)).toBe(undefined);
    expect(await append(store, 2)).toEqual({ kind: "unknown" });
  });

  test("a store that was emptied says so, and takes the journal from its beginning", async () => {
    await using rig = await open();
    const store = await rig.connect();
    await append(store, 0);
    await rig.wipe();
    expect(await read(store)).toBe(undefined);
    expect(await append(store, 1)).toEqual({ kind: "unknown" });
    expect(await append(store, 0, "f2")).toEqual({ kind: "kept" });
  });
}
