/** A few models are opened or cut at a time, in the order in which they were asked for. */
import { describe, expect, test } from "vitest";
import { Turns } from "../../../../node-agent/models/turns.ts";
import { turns } from "../../../support/fake-clock.ts";

const NEVER = new AbortController().signal;

describe("turns", () => {
  test("are given to so many at a time, then in order as others end", async () => {
    const open = new Turns(2);
    const given: number[] = [];
    const asked = [0, 1, 2, 3].map((number) =>
      open.take(NEVER).then((turn) => {
        given.push(number);
        return turn;
      }),
    );
    await turns();
    expect(given).toEqual([0, 1]);
    (await asked[1])?.[Symbol.dispose]();
    await turns();
    expect(given).toEqual([0, 1, 2]);
    (await asked[0])?.[Symbol.dispose]();
    await turns();
    expect(given).toEqual([0, 1, 2, 3]);
  });

  test("given back twice count once", async () => {
    const open = new Turns(1);
    const first = await open.take(NEVER);
    first[Symbol.dispose]();
    first[Symbol.dispose]();
    await open.take(NEVER);
    let second = false;
    open.take(NEVER).then(() => {
      second = true;
    }, expect.fail);
    await turns();
    expect(second).toBe(false);
  });

  test("are not kept by who stops waiting, also when one comes at that moment", async () => {
    const open = new Turns(1);
    const first = await open.take(NEVER);
    const [early, late] = [new AbortController(), new AbortController()];
    const waiting = [early, late].map(({ signal }) => expect(open.take(signal)).rejects.toThrow("unloaded"));
    early.abort(new Error("unloaded"));
    first[Symbol.dispose](); // passes to the second, which
    late.abort(new Error("unloaded")); // stops waiting now
    await Promise.all(waiting);
    await open.take(NEVER);
    await expect(open.take(AbortSignal.abort(new Error("unloaded")))).rejects.toThrow("unloaded");
  });
});
