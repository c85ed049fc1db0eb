/** Many timeouts of one length with one timer. */
import { expect, test } from "vitest";
import { EqualTimeouts } from "../../../../gateway/serving/equal-timeouts.ts";
import { FakeClock } from "../../../support/fake-clock.ts";

test("each act runs at its own time, with one timer for all", () => {
  const clock = new FakeClock();
  using timeouts = new EqualTimeouts(clock, 100);
  const acts: string[] = [];
  timeouts.add(() => acts.push(`a ${clock.now()}`));
  clock.advance(30);
  timeouts.add(() => acts.push(`b ${clock.now()}`));
  expect(clock.pending).toBe(1);
  clock.advance(200);
  expect(acts).toEqual(["a 100", "b 130"]);
});

test("what was taken back does not run, and costs no memory in the long run", () => {
  const clock = new FakeClock();
  using timeouts = new EqualTimeouts(clock, 100);
  const acts: number[] = [];
  for (let number = 0; number < 1_000; number++) {
    const takeBack = timeouts.add(() => acts.push(number));
    if (number % 100 !== 0) takeBack();
    takeBack();
  }
  clock.advance(100);
  expect(acts).toEqual([]);
  timeouts.add(() => acts.push(7));
  clock.advance(100);
  expect(acts).toEqual([7]);
});

test("an act may add another", () => {
  const clock = new FakeClock();
  using timeouts = new EqualTimeouts(clock, 100);
  const acts: number[] = [];
  timeouts.add(() => timeouts.add(() => acts.push(clock.now())));
  clock.advance(500);
  expect(acts).toEqual([200]);
});

test("after disposal nothing runs", () => {
  const clock = new FakeClock();
  const timeouts = new EqualTimeouts(clock, 100);
  timeouts.add(() => {
    throw new Error("ran");
  });
  timeouts[Symbol.dispose]();
  clock.advance(500);
  expect(clock.pending).toBe(0);
});
