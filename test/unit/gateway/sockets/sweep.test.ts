/** One timer for everything that may idle. */
import { expect, test } from "vitest";
import { Sweep } from "../../../../gateway/sockets/sweep.ts";
import { FakeClock } from "../../../support/fake-clock.ts";

test("whoever is held is asked once an interval, with one timer for all, and none when nobody is", () => {
  const clock = new FakeClock();
  const sweep = new Sweep(clock, 100);
  const asked: string[] = [];
  const [a, b] = [{ sweep: (nowMs: number) => asked.push(`a${nowMs}`) }, { sweep: (nowMs: number) => asked.push(`b${nowMs}`) }];
  sweep.add(a);
  sweep.add(b);
  expect(clock.pending).toBe(1);
  clock.advance(250);
  expect(asked).toEqual(["a100", "b100", "a200", "b200"]);
  sweep.delete(a);
  sweep.delete(b);
  clock.advance(1_000);
  expect(asked).toHaveLength(4);
  expect(clock.pending).toBe(0);
  sweep.add(a);
  clock.advance(100);
  expect(asked.at(-1)).toBe("a1350");
  sweep.close();
  expect(clock.pending).toBe(0);
});

test("one that is added or deleted in a sweep neither doubles the timer nor stops it", () => {
  const clock = new FakeClock();
  const sweep = new Sweep(clock, 10);
  let asked = 0;
  const second = { sweep: () => asked++ };
  const first = {
    sweep: () => {
      sweep.delete(first);
      sweep.add(second);
    },
  };
  sweep.add(first);
  clock.advance(10);
  expect(clock.pending).toBe(1);
  clock.advance(20);
  expect([asked, clock.pending]).toEqual([3, 1]);
});
