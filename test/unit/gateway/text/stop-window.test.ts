/** The stop window ends a text as the naive search over the whole text would, however it is cut. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { flushStopWindow, pushText, startStopWindow, stopSet } from "../../../../gateway/text/stop-window.ts";

const SEED = 20240612;

interface Run {
  readonly emitted: readonly string[];
  readonly stopped: boolean;
}

function run(stops: readonly string[], pieces: readonly string[]): Run {
  const set = stopSet(stops);
  let state = startStopWindow(set);
  const emitted: string[] = [];
  for (const piece of pieces) {
    const step = pushText(set, state, piece);
    emitted.push(step.text);
    state = step.state;
  }
  return { emitted: [...emitted, flushStopWindow(state)], stopped: state.kind === "stopped" };
}

/** The oracle: the first place where a stop ends; the longest of those that end there. */
function naive(stops: readonly string[], text: string): { readonly text: string; readonly stopped: boolean } {
  for (let end = 1; end <= text.length; end++) {
    const starts = stops.filter((stop) => text.slice(0, end).endsWith(stop)).map((stop) => end - stop.length);
    if (starts.length > 0) return { text: text.slice(0, Math.min(...starts)), stopped: true };
  }
  return { text, stopped: false };
}

function cut(text: string, lengths: readonly number[]): readonly string[] {
  const pieces: string[] = [];
  let start = 0;
  for (const length of lengths) {
    pieces.push(text.slice(start, start + length));
    start += length;
  }
  return [...pieces, text.slice(start)];
}

describe("the stop window", () => {
  const letters = fc.string({ unit: fc.constantFrom("a", "b", "c"), maxLength: 24 });
  const stop = fc.string({ unit: fc.constantFrom("a", "b", "c"), minLength: 1, maxLength: 5 });
  const lengths = fc.array(fc.integer({ min: 0, max: 4 }), { maxLength: 12 });

  test("finds what the naive search finds in the whole text, however the text is cut", () => {
    fc.assert(
      fc.property(letters, fc.array(stop, { maxLength: 4 }), lengths, (text, stops, parts) => {
        const { emitted, stopped } = run(stops, cut(text, parts));
        expect({ text: emitted.join(""), stopped }).toEqual(naive(stops, text));
      }),
      { seed: SEED, numRuns: 2000 },
    );
  });

  test("holds back no more than the longest end of the text that may begin a stop", () => {
    fc.assert(
      fc.property(letters, fc.array(stop, { minLength: 1, maxLength: 4 }), lengths, (text, stops, parts) => {
        const set = stopSet(stops);
        let state = startStopWindow(set);
        let seen = "";
        let emitted = "";
        for (const piece of cut(text, parts)) {
          seen += piece;
          const step = pushText(set, state, piece);
          emitted += step.text;
          state = step.state;
          if (state.kind === "stopped") return;
          const held = Math.max(...stops.flatMap((s) => Array.from(s, (_, n) => (seen.endsWith(s.slice(0, n)) ? n : 0))));
          expect(seen.length - emitted.length).toBe(held);
        }
      }),
      { seed: SEED, numRuns: 2000 },
    );
  });

  test("emits what stands before a stop that spans three tokens, and nothing of the stop", () => {
    expect(run(["\n\nUser:"], ["Hi.\n", "\nUs", "er: x"])).toEqual({ emitted: ["Hi.", "", "", ""], stopped: true });
  });

  test("gives back what only looked like a stop", () => {
    expect(run(["</end>"], ["a </", "en", "gine>"])).toEqual({ emitted: ["a ", "", "</engine>", ""], stopped: false });
  });

  test("gives back at the end what was held for a stop that never came", () => {
    expect(run(["STOP"], ["abc ST"])).toEqual({ emitted: ["abc ", "ST"], stopped: false });
  });

  test("passes everything on at once without stops", () => {
    expect(run([], ["a", "", "b"])).toEqual({ emitted: ["a", "", "b", ""], stopped: false });
  });

  test("takes no notice of empty stops and of half surrogate pairs", () => {
    expect(run(["", "\ude00"], ["😀"])).toEqual({ emitted: ["😀", ""], stopped: false });
  });

  test("stays stopped", () => {
    expect(run(["x"], ["ax", "bx", "c"])).toEqual({ emitted: ["a", "", "", ""], stopped: true });
  });

  test("never cuts a surrogate pair", () => {
    expect(run(["😀b"], ["😀", "😁"])).toEqual({ emitted: ["", "😀😁", ""], stopped: false });
  });

  test("takes steps in proportion to the text for a stop that nearly matches everywhere", () => {
    const almost = "a".repeat(20_000);
    const { emitted, stopped } = run([`${almost}b`], Array.from(almost.repeat(2)));
    expect(stopped).toBe(false);
    expect(emitted.join("")).toBe(almost.repeat(2));
  });
});
