import { describe, expect, test } from "vitest";
import { LINK_SILENCE_MS, LINK_SUSPECT_MS } from "../../../../core/link/link.ts";
import { LinkSilence, LOOK_EVERY_MS } from "../../../../core/link/link-silence.ts";

/** Looks at even distances while nothing comes. @returns what they found by the milliseconds of silence */
function silentFor(silence: LinkSilence, silentMs: number): Record<string, number> {
  const found: Record<string, number> = {};
  for (let look = 1; look * LOOK_EVERY_MS <= silentMs + 0.001; look++) {
    const what = silence.look(LOOK_EVERY_MS);
    if (what !== undefined) found[what] = Math.round(look * LOOK_EVERY_MS);
  }
  return found;
}

function speaks(silence: LinkSilence, looks: number): void {
  for (let look = 0; look < looks; look++) {
    silence.heard();
    silence.look(LOOK_EVERY_MS);
  }
}

describe("a link that is silent", () => {
  test("is suspect once, and dead later", () => {
    expect(silentFor(new LinkSilence(), LINK_SILENCE_MS)).toEqual({ suspect: LINK_SUSPECT_MS, dead: LINK_SILENCE_MS });
  });

  test("is neither while something comes every two looks", () => {
    const silence = new LinkSilence();
    for (let look = 0; look < 100; look++) {
      if (look % 2 === 0) expect(silence.heard()).toBe(false);
      expect(silence.look(LOOK_EVERY_MS)).toBeUndefined();
    }
    speaks(silence, 1);
    expect(silentFor(silence, LINK_SUSPECT_MS)).toEqual({ suspect: LINK_SUSPECT_MS });
  });

  test("says so once when it is suspect no more, and may become suspect again", () => {
    const silence = new LinkSilence();
    silentFor(silence, LINK_SUSPECT_MS);
    expect([silence.heard(), silence.heard()]).toEqual([true, false]);
    silence.look(LOOK_EVERY_MS);
    expect(silentFor(silence, LINK_SILENCE_MS)).toHaveProperty("suspect");
  });

  test("is suspect later when it was silent and came back lately, but before it is dead", () => {
    const silence = new LinkSilence();
    silentFor(silence, LINK_SUSPECT_MS);
    speaks(silence, 5);
    const { suspect, dead } = silentFor(silence, LINK_SILENCE_MS);
    expect(suspect).toBe(LINK_SUSPECT_MS * 2);
    expect(dead).toBe(LINK_SILENCE_MS);
  });

  test("is suspect as early as ever when that was long ago", () => {
    const silence = new LinkSilence();
    silentFor(silence, LINK_SUSPECT_MS);
    speaks(silence, 400);
    expect(silentFor(silence, LINK_SUSPECT_MS)).toEqual({ suspect: LINK_SUSPECT_MS });
  });

  test("is not so for the time in which we were held up ourselves", () => {
    const silence = new LinkSilence();
    expect(silence.look(LINK_SILENCE_MS * 10)).toBeUndefined();
  });
});
