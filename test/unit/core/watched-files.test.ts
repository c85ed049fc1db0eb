/** Files that are replaced while they are in use. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { expect, test } from "vitest";
import { ServingError } from "../../../core/errors.ts";
import { watchFiles } from "../../../core/watched-files.ts";
import { LookClock } from "../../support/look-clock.ts";

test("changes are used, what cannot be used or read is told once and changes nothing", async () => {
  const folder = mkdtempSync(path.join(tmpdir(), "nereid-watched-"));
  try {
    const file = path.join(folder, "file");
    const clock = new LookClock();
    const used: string[] = [];
    const failed: string[] = [];
    writeFileSync(file, "one");
    const watched = await watchFiles([file], {
      clock: clock.clock,
      purpose: "the word",
      use: ([text = ""]) => {
        if (text === "wrong") throw new ServingError("INVALID_ARGUMENT", "it is wrong");
        used.push(text);
      },
      failed: ({ message }) => failed.push(message),
    });
    await clock.look();
    for (const text of ["two", "wrong"]) {
      writeFileSync(file, text);
      await clock.look();
      await clock.look();
    }
    rmSync(file);
    await clock.look();
    await clock.look();
    writeFileSync(file, "three");
    await clock.look();
    expect(used).toEqual(["one", "two", "three"]);
    expect(failed).toEqual(["it is wrong", `the word: ${file} cannot be read (ENOENT: no such file or directory, open '${file}')`]);
    watched[Symbol.dispose]();
    expect(clock.waits).toBe(false);
    await expect(watchFiles([`${file}.not`], { clock: clock.clock, purpose: "x", use: () => {}, failed: () => {} })).rejects.toThrow(
      "cannot be read",
    );
  } finally {
    rmSync(folder, { recursive: true });
  }
});
