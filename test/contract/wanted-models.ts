/** What every adapter of the port of wanted models promises. */
import { expect, test } from "vitest";
import type { WantedLoad, WantedModel, WantedModels, WantedSnapshot } from "../../core/store/placement/wanted-models.ts";

export interface WantedRig extends AsyncDisposable {
  /** As another gateway sees the same store. */
  connect(): Promise<WantedModels>;
}

export interface LosingWantedRig extends WantedRig {
  /** Everything that the store holds is lost. */
  wipe(): Promise<void>;
  /** @returns what sets the store back to what it holds now */
  keep(): Promise<() => Promise<void>>;
}

export function load(number: number): WantedLoad {
  return { number, fingerprint: `f${number}`, versions: ["1"], source: "", config: "", copies: 1, bytes: 0 };
}

const wanted = (number: number): WantedModel => ({ next: load(number), gone: [{ version: "1", reason: 'no "такой"\nfile' }] });

async function snapshot(store: WantedModels): Promise<WantedSnapshot> {
  const read = await store.read(undefined);
  if (read === undefined) throw new Error("who knows nothing is told everything");
  return read;
}

export function wantedModelsContract(open: () => Promise<WantedRig>): void {
  test("what one gateway wants, the other reads, to the letter", async () => {
    await using rig = await open();
    const [one, two] = [await rig.connect(), await rig.connect()];
    const language = { stages: 0, quantization: "auto", slots: 4, contextLength: 0, threads: 1 } as const;
    const full: WantedModel = { current: { ...load(1), language }, next: load(2), failed: { number: 3, versions: [] }, gone: [] };
    expect(await one.change("a.b-c_d", 0, full)).toBe(true);
    expect(await one.change("second", 0, wanted(1))).toBe(true);
    expect((await snapshot(two)).entries).toEqual(
      new Map([
        ["a.b-c_d", { version: 1, wanted: full }],
        ["second", { version: 1, wanted: wanted(1) }],
      ]),
    );
  });

  test("what is wanted of a node is kept beside the models, under its own version", async () => {
    await using rig = await open();
    const [one, two] = [await rig.connect(), await rig.connect()];
    await one.change("node-1", 0, wanted(1));
    const before = await snapshot(two);
    expect(await one.changeNode("node-1", 0, { leaving: true })).toBe(true);
    expect(await two.changeNode("node-1", 0, { leaving: false })).toBe(false);
    const read = await two.read(before);
    expect(read?.nodes).toEqual(new Map([["node-1", { version: 1, wanted: { leaving: true } }]]));
    expect(read?.entries).toEqual(before.entries);
    expect(await two.changeNode("node-1", 1, { leaving: false })).toBe(true);
    expect((await snapshot(one)).nodes.get("node-1")).toEqual({ version: 2, wanted: { leaving: false } });
  });

  test("a change is made only by who knows the version that is there, whatever their order", async () => {
    await using rig = await open();
    const [one, two] = [await rig.connect(), await rig.connect()];
    const outcomes = await Promise.all([one.change("m", 0, wanted(1)), two.change("m", 0, wanted(2))]);
    expect(outcomes.toSorted()).toEqual([false, true]);
    expect(await one.change("m", 0, wanted(3))).toBe(false);
    expect(await one.change("m", 2, wanted(3))).toBe(false);
    expect(await two.change("m", 1, wanted(3))).toBe(true);
    expect((await snapshot(one)).entries).toEqual(new Map([["m", { version: 2, wanted: wanted(3) }]]));
  });

  test("who has read is told nothing until something changes", async () => {
    await using rig = await open();
    const [one, two] = [await rig.connect(), await rig.connect()];
    const empty = await snapshot(one);
    expect(empty.entries.size).toBe(0);
    expect(await one.read(empty)).toBeUndefined();
    await two.change("m", 0, wanted(1));
    const next = await one.read(empty);
    expect(next?.revision).toBeGreaterThan(empty.revision);
    expect(next?.incarnation).toBe(empty.incarnation);
    expect(await one.read(next)).toBeUndefined();
    await two.change("m", 0, wanted(2)); // too late
    expect(await one.read(next)).toBeUndefined();
  });

  test("a restore of what is there changes nothing", async () => {
    await using rig = await open();
    const one = await rig.connect();
    await one.change("m", 0, wanted(1));
    const before = await snapshot(one);
    await one.restore(before);
    expect(await one.read(before)).toBeUndefined();
  });
}

/** All of it, and what a store promises that can lose what it holds while others run. */
export function losingWantedModelsContract(open: () => Promise<LosingWantedRig>): void {
  wantedModelsContract(open);

  test("an emptied store is another incarnation, and is told what it has lost", async () => {
    await using rig = await open();
    const [one, two] = [await rig.connect(), await rig.connect()];
    await one.change("m", 0, wanted(1));
    await one.change("m", 1, wanted(2));
    await one.changeNode("n", 0, { leaving: true });
    const before = await snapshot(one);
    await rig.wipe();
    const after = await one.read(before);
    expect(after?.incarnation).not.toBe(before.incarnation);
    expect(after?.entries.size).toBe(0);
    await Promise.all([one.restore(before), two.restore(before)]);
    const restored = await snapshot(two);
    expect(restored).toMatchObject({ entries: before.entries, nodes: before.nodes });
    expect(restored.revision).toBeGreaterThan(before.revision);
  });

  test("a store that was set back has a lower revision; what it has lost is restored, what is newer there stays", async () => {
    await using rig = await open();
    const one = await rig.connect();
    await one.change("old", 0, wanted(1));
    const setBack = await rig.keep();
    await one.change("old", 1, wanted(2));
    await one.change("lost", 0, wanted(1));
    const before = await snapshot(one);
    await setBack();
    expect((await snapshot(one)).revision).toBeLessThan(before.revision);
    await one.change("old", 1, wanted(7));
    await one.change("old", 2, wanted(8));
    await one.restore(before);
    expect((await snapshot(one)).entries).toEqual(
      new Map([
        ["old", { version: 3, wanted: wanted(8) }],
        ["lost", { version: 1, wanted: wanted(1) }],
      ]),
    );
  });
}
