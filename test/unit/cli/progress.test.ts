/** Progress: a bar where there is a terminal, plain lines where there is none. */
import { describe, expect, test } from "vitest";
import { startProgress } from "../../../cli/progress.ts";
import { FakeClock } from "../../support/fake-clock.ts";

function watched(isTTY: boolean) {
  const clock = new FakeClock();
  const written: string[] = [];
  const start = (amount: number | undefined) =>
    startProgress({ isTTY, columns: 80, write: (text) => written.push(text) }, clock, {
      label: "unpacking",
      total: amount === undefined ? undefined : { amount, unit: "bytes" },
    });
  return { clock, written, start };
}

describe("progress without a terminal", () => {
  test("has a line for every tenth, however often it moves, and one for the end", () => {
    const { written, start } = watched(false);
    using progress = start(1_000_000);
    for (let done = 0; done <= 1_000_000; done += 1_000) progress.update(done);
    progress.finish("done");
    const tenths = [10, 20, 30, 40, 50, 60, 70, 80, 90].map((percent) => `unpacking: ${percent} %\n`);
    expect(written).toEqual(["unpacking …\n", ...tenths, "unpacking: done (0.0 s)\n"]);
  });

  test("shows that it still runs when nobody knows how long it takes", () => {
    const { clock, written, start } = watched(false);
    using progress = start(undefined);
    clock.advance(31_000);
    progress.finish("done");
    expect(written).toEqual([
      "unpacking …\n",
      "unpacking: still running after 15 s\n",
      "unpacking: still running after 30 s\n",
      "unpacking: done (31 s)\n",
    ]);
    expect(clock.pending).toBe(0);
  });

  test("has a line for each new note", () => {
    const { written, start } = watched(false);
    using progress = start(undefined);
    for (const note of ["cutting", "cutting", "loading"]) progress.note(note);
    expect(written).toEqual(["unpacking …\n", "unpacking: cutting\n", "unpacking: loading\n"]);
  });
});

describe("progress on a terminal", () => {
  test("redraws one line and ends it with a line that stays", () => {
    const { clock, written, start } = watched(true);
    using progress = start(1_000_000);
    progress.update(500_000);
    clock.advance(100);
    progress.finish("done");
    expect(written[1]).toContain("50 % of 1.0 MB");
    expect(written.slice(0, -1).every((text) => text.startsWith("\r") && !text.includes("\n"))).toBe(true);
    expect(written.at(-1)).toMatch(/^\r.*unpacking: done \(0\.1 s\)\n$/);
  });

  test("leaves no half line and no timer when it fails", () => {
    const { clock, written, start } = watched(true);
    start(1_000_000)[Symbol.dispose]();
    expect(written.at(-1)).toBe("\r\x1b[2K");
    expect(clock.pending).toBe(0);
  });
});
