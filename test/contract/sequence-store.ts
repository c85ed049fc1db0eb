/** What every adapter of the store of sequences promises. */
import { Buffer } from "node:buffer";
import { expect, test } from "vitest";
import type { SequenceStore, StoredStep } from "../../core/store/sequences/sequence-store.ts";

export interface SequenceStoreRig extends AsyncDisposable {
  /** As another node sees the same store. */
  connect(): Promise<SequenceStore>;
  /** Time passes by the store's clock. */
  pass(ms: number): Promise<void>;
  /** Everything that the store holds is lost. */
  wipe(): Promise<void>;
}

const TTL_MS = 60_000;
const KEY = "model/1/tenant/s\u0000odd: key";
const [ONE, TWO] = [
  { owner: "m/1/0 on n1 a", fence: "fence-1" },
  { owner: "m/1/0 on n2 b", fence: "fence-2" },
];
const bytes = (...values: readonly number[]) => Uint8Array.from(values);
const step = (steps: number, fields: Partial<StoredStep> = {}): StoredStep => ({
  steps,
  token: `t${steps}`,
  ended: false,
  states: bytes(steps, 0, 255, 10, 13),
  answer: bytes(0, steps),
  ...fields,
});
const begin = (store: SequenceStore) => store.begin(KEY, { ...ONE, start: "t1" }, TTL_MS);
const commit = (store: SequenceStore, steps: number, fence = ONE.fence) =>
  store.commit(KEY, { fence, after: steps - 1 }, step(steps), TTL_MS);
const takeOver = (store: SequenceStore, by = TWO, from = ONE.owner) => store.takeOver(KEY, { ...by, from }, TTL_MS);
/** Buffers and other views alike. */
const plain = (found: unknown): unknown =>
  JSON.parse(
    JSON.stringify(found, (_, value) => (value instanceof Uint8Array ? [...value] : value?.type === "Buffer" ? value.data : value)),
  );

export function sequenceStoreContract(open: () => Promise<SequenceStoreRig>): void {
  test("who takes a sequence over gets the last step with its bytes", async () => {
    await using rig = await open();
    const [one, two] = [await rig.connect(), await rig.connect()];
    await begin(one);
    expect(await commit(one, 1)).toEqual({ kind: "committed" });
    expect(await commit(one, 2)).toEqual({ kind: "committed" });
    const record = { owner: ONE.owner, start: "t1", steps: 2, token: "t2", ended: false, states: [2, 0, 255, 10, 13], answer: [0, 2] };
    expect(plain(await takeOver(two))).toEqual({ kind: "taken", record });
    expect(plain(await takeOver(two))).toMatchObject({ kind: "taken", record: { owner: TWO.owner, steps: 2 } });
  });

  test("one that was taken over from is told at its next step, and its step is not kept", async () => {
    await using rig = await open();
    const [one, two] = [await rig.connect(), await rig.connect()];
    await begin(one);
    await commit(one, 1);
    await takeOver(two);
    expect(await commit(one, 2)).toEqual({ kind: "moved", owner: TWO.owner });
    expect(await commit(two, 2, TWO.fence)).toEqual({ kind: "committed" });
    expect(await commit(one, 2)).toEqual({ kind: "moved", owner: TWO.owner });
  });

  test("a sequence is taken from the named owner only", async () => {
    await using rig = await open();
    const store = await rig.connect();
    await begin(store);
    expect(await takeOver(store, TWO, "")).toEqual({ kind: "owned", owner: ONE.owner });
    expect(await takeOver(store, TWO, "m/1/0 on n3 c")).toEqual({ kind: "owned", owner: ONE.owner });
    expect(await commit(store, 1)).toEqual({ kind: "committed" });
    expect(await takeOver(store, { ...ONE, fence: "fence-3" }, "")).toMatchObject({ kind: "taken", record: { steps: 1 } });
    expect(await commit(store, 2)).toMatchObject({ kind: "moved" });
  });

  test("of two who take it over at once one is the owner", async () => {
    await using rig = await open();
    const [one, two] = [await rig.connect(), await rig.connect()];
    await begin(one);
    await commit(one, 1);
    const found = await Promise.all([takeOver(one, { owner: "x", fence: "x" }), takeOver(two, { owner: "y", fence: "y" })]);
    expect(found.map(({ kind }) => kind).toSorted()).toEqual(["owned", "taken"]);
  });

  test("a step may be committed again, but none may be left out", async () => {
    await using rig = await open();
    const store = await rig.connect();
    await begin(store);
    await commit(store, 1);
    expect(await store.commit(KEY, { fence: ONE.fence, after: 1 }, step(2, { token: "a" }), TTL_MS)).toEqual({ kind: "committed" });
    expect(await store.commit(KEY, { fence: ONE.fence, after: 1 }, step(2, { token: "b" }), TTL_MS)).toEqual({ kind: "committed" });
    expect(await store.commit(KEY, { fence: ONE.fence, after: 4 }, step(5), TTL_MS)).toEqual({ kind: "unknown" });
    expect(await takeOver(store)).toMatchObject({ record: { steps: 2, token: "b" } });
  });

  test("an ended sequence belongs to nobody, and its last answer can be had", async () => {
    await using rig = await open();
    const store = await rig.connect();
    await begin(store);
    await store.commit(KEY, { fence: ONE.fence, after: 0 }, step(1, { ended: true, states: bytes() }), TTL_MS);
    expect(plain(await takeOver(store, TWO, ""))).toMatchObject({ kind: "ended", record: { token: "t1", ended: true, answer: [0, 1] } });
    expect(plain(await takeOver(store, TWO, ""))).toMatchObject({ kind: "ended", record: { owner: ONE.owner } });
  });

  test("a start ends whatever had the key", async () => {
    await using rig = await open();
    const store = await rig.connect();
    await begin(store);
    await commit(store, 1);
    await store.begin(KEY, { ...TWO, start: "again" }, TTL_MS);
    expect(await commit(store, 2)).toEqual({ kind: "moved", owner: TWO.owner });
    expect(await takeOver(store, TWO, "")).toMatchObject({ kind: "taken", record: { steps: 0, start: "again", token: "" } });
  });

  test("sequences of other keys are others", async () => {
    await using rig = await open();
    const store = await rig.connect();
    await begin(store);
    expect(await store.takeOver(`${KEY}x`, { ...TWO, from: ONE.owner }, TTL_MS)).toEqual({ kind: "unknown" });
  });

  test("every step makes a sequence last for another term", async () => {
    await using rig = await open();
    const store = await rig.connect();
    await begin(store);
    for (let steps = 1; steps <= 3; steps++) {
      await rig.pass(TTL_MS * 0.75);
      expect(await commit(store, steps)).toEqual({ kind: "committed" });
    }
    await rig.pass(TTL_MS * 0.75);
    expect(await takeOver(store)).toMatchObject({ kind: "taken" });
    await rig.pass(TTL_MS + 1_000);
    expect(await takeOver(store, ONE, TWO.owner)).toEqual({ kind: "unknown" });
    expect(await commit(store, 4)).toEqual({ kind: "unknown" });
  });

  test("a store that was emptied knows nothing, and is told again", async () => {
    await using rig = await open();
    const store = await rig.connect();
    await begin(store);
    await commit(store, 1);
    await rig.wipe();
    expect(await commit(store, 2)).toEqual({ kind: "unknown" });
    expect(await takeOver(store)).toEqual({ kind: "unknown" });
    await store.begin(KEY, { owner: ONE.owner, fence: "fence-9", start: "t1" }, TTL_MS);
    expect(await store.commit(KEY, { fence: "fence-9", after: 0 }, step(2), TTL_MS)).toEqual({ kind: "committed" });
    expect(await takeOver(store)).toMatchObject({ record: { steps: 2 } });
  });

  test("only its owner has a sequence forgotten", async () => {
    await using rig = await open();
    const store = await rig.connect();
    await begin(store);
    await store.forget(KEY, TWO.fence);
    expect(await commit(store, 1)).toEqual({ kind: "committed" });
    await store.forget(KEY, ONE.fence);
    expect(await takeOver(store)).toEqual({ kind: "unknown" });
  });

  test("large states come back byte for byte, whatever becomes of the caller's memory", async () => {
    await using rig = await open();
    const store = await rig.connect();
    await begin(store);
    const states = Uint8Array.from({ length: 1_000_000 }, (_, index) => index * 31);
    const wanted = Buffer.from(states);
    const committed = store.commit(KEY, { fence: ONE.fence, after: 0 }, step(1, { states }), TTL_MS);
    await committed;
    states.fill(0);
    const found = await takeOver(store);
    expect(found.kind === "taken" && wanted.equals(found.record.states)).toBe(true);
  });
}
