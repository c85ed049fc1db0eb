/** Pulling a stream's head leaves nothing out and nothing open. */
import { expect, test } from "vitest";
import { pullUntil } from "../../../../gateway/http/pull-until.ts";

function counted(until: number) {
  const state = { pulled: 0, closed: false };
  async function* source() {
    try {
      for (; state.pulled < until; ) yield state.pulled++;
    } finally {
      state.closed = true;
    }
  }
  return { state, source: source() };
}

test("no more is pulled than decides, and the whole stream follows", async () => {
  const { state, source } = counted(5);
  const { head, events } = await pullUntil(source, (value) => value === 1);
  expect([head, state.pulled]).toEqual([[0, 1], 2]);
  expect(await Array.fromAsync(events)).toEqual([0, 1, 2, 3, 4]);
});

test("a stream that ends undecided is all head", async () => {
  const { head, events } = await pullUntil(counted(2).source, () => false);
  expect([head, await Array.fromAsync(events)]).toEqual([
    [0, 1],
    [0, 1],
  ]);
});

test("leaving the loop, in the head or behind it, closes the source", async () => {
  for (const leaveAt of [0, 3]) {
    const { state, source } = counted(10);
    const { events } = await pullUntil(source, (value) => value === 1);
    for await (const value of events) if (value === leaveAt) break;
    expect(state.closed).toBe(true);
  }
});
