/** What every adapter of the store of generations promises. */
import { expect, test } from "vitest";
import type { GenerationStore } from "../../core/store/generations/generation-store.ts";

export interface GenerationStoreRig extends AsyncDisposable {
  /** As another gateway sees the same store. */
  connect(): Promise<GenerationStore>;
  /** Time passes by the store's clock. */
  pass(ms: number): Promise<void>;
  /** Everything that the store holds is lost. */
  wipe(): Promise<void>;
}

const TTL_MS = 60_000;
const ID = "0a1b: odd\u0000id";
const RECORD = { tenant: "a", model: "words", node: "node-1", incarnation: "i1" };
const begin = (store: GenerationStore, fence = "f1") => store.begin(ID, { ...RECORD, fence }, TTL_MS);
const take = (store: GenerationStore, fence = "f2", tenant = "a") => store.take(ID, { tenant, fence }, TTL_MS);
const keep = (store: GenerationStore, fence: string, node = "node-1") => store.keep(ID, { fence, node, incarnation: "i1" }, TTL_MS);

export function generationStoreContract(open: () => Promise<GenerationStoreRig>): void {
  test("any gateway finds a generation's lead", async () => {
    await using rig = await open();
    const [one, two] = [await rig.connect(), await rig.connect()];
    await begin(one);
    expect(await take(two)).toEqual(RECORD);
    expect(await two.take("another", { tenant: "a", fence: "f" }, TTL_MS)).toBe(undefined);
  });

  test("another tenant's does not exist, and whoever asks for it changes nothing", async () => {
    await using rig = await open();
    const store = await rig.connect();
    await begin(store);
    for (const tenant of ["b", "", "A"]) expect(await take(store, "f9", tenant)).toBe(undefined);
    expect(await keep(store, "f1")).toEqual({ kind: "kept" });
  });

  test("who has taken it up is the one that may say where it runs", async () => {
    await using rig = await open();
    const [one, two] = [await rig.connect(), await rig.connect()];
    await begin(one);
    expect(await keep(one, "f1", "node-2")).toEqual({ kind: "kept" });
    expect(await take(two)).toEqual({ ...RECORD, node: "node-2" });
    expect(await keep(one, "f1", "node-3")).toEqual({ kind: "taken" });
    expect(await keep(two, "f2", "node-4")).toEqual({ kind: "kept" });
    expect(await take(one, "f3")).toEqual({ ...RECORD, node: "node-4" });
  });

  test("of two who take it up at once one may go on", async () => {
    await using rig = await open();
    const [one, two] = [await rig.connect(), await rig.connect()];
    await begin(one);
    await Promise.all([take(one, "x"), take(two, "y")]);
    const kept = await Promise.all([keep(one, "x"), keep(two, "y")]);
    expect(kept.map(({ kind }) => kind).toSorted()).toEqual(["kept", "taken"]);
  });

  test("it lasts a term from when it was last told of", async () => {
    await using rig = await open();
    const store = await rig.connect();
    await begin(store);
    await rig.pass(TTL_MS * 0.75);
    expect(await keep(store, "f1")).toEqual({ kind: "kept" });
    await rig.pass(TTL_MS * 0.75);
    expect(await take(store)).toEqual(RECORD);
    await rig.pass(TTL_MS * 0.75);
    expect(await keep(store, "f2")).toEqual({ kind: "kept" });
    await rig.pass(TTL_MS + 1_000);
    expect(await keep(store, "f2")).toEqual({ kind: "unknown" });
    expect(await take(store)).toBe(undefined);
  });

  test("a store that was emptied knows nothing, and says so", async () => {
    await using rig = await open();
    const store = await rig.connect();
    await begin(store);
    await rig.wipe();
    expect(await take(store)).toBe(undefined);
    expect(await keep(store, "f1")).toEqual({ kind: "unknown" });
  });
}
