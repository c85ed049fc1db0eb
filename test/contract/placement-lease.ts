/** What every adapter of the placement lease promises. */
import { expect, test } from "vitest";
import type { PlacementLease } from "../../core/store/placement/placement-lease.ts";

export interface LeaseRig extends AsyncDisposable {
  /** As another gateway sees the same lease. */
  connect(): Promise<PlacementLease>;
  /** Time passes by the store's clock. */
  pass(ms: number): Promise<void>;
  /** Everything that the store holds is lost. */
  wipe(): Promise<void>;
}

const TTL_MS = 60_000;
const claim = (holder: string, fenceMin = 0) => ({ holder, ttlMs: TTL_MS, fenceMin });

export function placementLeaseContract(open: () => Promise<LeaseRig>): void {
  test("of two who want the lease one has it, and the other knows how long to wait at most", async () => {
    await using rig = await open();
    const [one, two] = [await rig.connect(), await rig.connect()];
    const answers = await Promise.all([one.hold(claim("a")), two.hold(claim("b"))]);
    expect(answers.map(({ kind }) => kind).toSorted()).toEqual(["held", "taken"]);
    const taken = answers.find((answer) => answer.kind === "taken");
    expect(taken?.leftMs).toBeGreaterThan(0);
    expect(taken?.leftMs).toBeLessThanOrEqual(TTL_MS);
  });

  test("who keeps holding keeps the fence for longer than one term", async () => {
    await using rig = await open();
    const [one, two] = [await rig.connect(), await rig.connect()];
    const first = await one.hold(claim("a"));
    for (let round = 0; round < 4; round++) {
      await rig.pass(TTL_MS / 2);
      expect(await one.hold(claim("a"))).toEqual(first);
      expect((await two.hold(claim("b"))).kind).toBe("taken");
    }
  });

  test("a holder that was paused for longer than its term finds another one there, whose fence is higher", async () => {
    await using rig = await open();
    const [one, two] = [await rig.connect(), await rig.connect()];
    const first = await one.hold(claim("a"));
    await rig.pass(TTL_MS + 1_000);
    const second = await two.hold(claim("b"));
    expect([first.kind, second.kind]).toEqual(["held", "held"]);
    expect(fenceOf(second)).toBeGreaterThan(fenceOf(first));
    expect((await one.hold(claim("a"))).kind).toBe("taken");
  });

  test("a holder that was paused and finds nobody there gets a new fence: it cannot know whether somebody was", async () => {
    await using rig = await open();
    const one = await rig.connect();
    const first = await one.hold(claim("a"));
    await rig.pass(TTL_MS + 1_000);
    expect(fenceOf(await one.hold(claim("a")))).toBeGreaterThan(fenceOf(first));
  });

  test("a lease that is let go can be taken at once; who lets go of an old one changes nothing", async () => {
    await using rig = await open();
    const [one, two] = [await rig.connect(), await rig.connect()];
    const first = await one.hold(claim("a"));
    await one.release("a", fenceOf(first));
    const second = await two.hold(claim("b"));
    expect(second.kind).toBe("held");
    await one.release("a", fenceOf(first));
    await one.release("b", fenceOf(first));
    expect((await one.hold(claim("a"))).kind).toBe("taken");
  });

  test("an emptied store counts on above the fence that its callers know", async () => {
    await using rig = await open();
    const one = await rig.connect();
    const before = fenceOf(await one.hold(claim("a")));
    await rig.wipe();
    expect(fenceOf(await one.hold(claim("a", before + 6)))).toBe(before + 7);
  });

  test("a holder that hears of a higher fence than its own gets a higher one still", async () => {
    await using rig = await open();
    const one = await rig.connect();
    await one.hold(claim("a"));
    expect(await one.hold(claim("a", 40))).toEqual({ kind: "held", fence: 41 });
    expect(await one.hold(claim("a", 41))).toEqual({ kind: "held", fence: 41 });
  });
}

function fenceOf(answer: Awaited<ReturnType<PlacementLease["hold"]>>): number {
  if (answer.kind !== "held") throw new Error("the lease is taken");
  return answer.fence;
}
