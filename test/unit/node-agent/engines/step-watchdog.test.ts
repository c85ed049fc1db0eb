import { describe, expect, test } from "vitest";
import { StepWatchdog } from "../../../../node-agent/engines/step-watchdog.ts";
import { FakeClock } from "../../../support/fake-clock.ts";

/** When a step that should take so long is given up. */
function givenUpAfterMs(expectedMs: number): number | undefined {
  const clock = new FakeClock();
  let atMs: number | undefined;
  new StepWatchdog(clock, () => {
    atMs = clock.now();
  }).watch(expectedMs);
  clock.advance(3_600_000);
  return atMs;
}

describe("a step that hangs is given up", () => {
  test.each([
    [0, 10_000],
    [50, 10_000],
    [2_000, 20_000],
    [60_000, 60_000],
    [3_600_000, 60_000],
  ])("where %i ms are expected after %i ms: ten times as long, but never below 10 s or above a minute", (expectedMs, limitMs) => {
    expect(givenUpAfterMs(expectedMs)).toBe(limitMs);
  });

  test("counting from the last result, and not at all when nothing is under way", () => {
    const clock = new FakeClock();
    let stuck = 0;
    const watchdog = new StepWatchdog(clock, () => {
      stuck += 1;
    });
    watchdog.watch(10);
    clock.advance(9_000);
    watchdog.watch(10);
    clock.advance(9_000);
    expect(stuck).toBe(0);
    watchdog.watch(undefined);
    clock.advance(60_000);
    expect([stuck, clock.pending]).toEqual([0, 0]);
  });
});
