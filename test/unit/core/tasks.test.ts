/** Tasks that stop together. */
import { expect, test } from "vitest";
import { sleep } from "../../../core/clock.ts";
import { runAll } from "../../../core/tasks.ts";
import { FakeClock, turns } from "../../support/fake-clock.ts";

const never = new AbortController().signal;

test("the first failure stops the rest and is thrown after all have ended", async () => {
  const clock = new FakeClock();
  const failure = new Error("broken");
  const ended: string[] = [];
  const running = runAll(never, [
    async (signal) => {
      await sleep(clock, 1_000, signal).finally(() => ended.push("slow"));
    },
    async (signal) => {
      await sleep(clock, 10, signal);
      throw failure;
    },
  ]);
  running.catch(() => ended.push("all"));
  await clock.pass(10);
  await expect(running).rejects.toBe(failure);
  expect(ended).toEqual(["slow", "all"]);
  expect(clock.pending).toBe(0);
});

test("tasks that are asked to stop have not failed", async () => {
  const clock = new FakeClock();
  const stop = new AbortController();
  const running = runAll(stop.signal, [(signal) => sleep(clock, 1_000, signal), async () => {}]);
  await turns();
  stop.abort(new Error("stop"));
  await running;
});

test("a failure while stopping is still thrown", async () => {
  const stop = new AbortController();
  const failure = new Error("could not close");
  const running = runAll(stop.signal, [
    (signal) => new Promise((_, reject) => signal.addEventListener("abort", () => reject(failure), { once: true })),
  ]);
  stop.abort(new Error("stop"));
  await expect(running).rejects.toBe(failure);
});
