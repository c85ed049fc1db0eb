/**
 * Ends a text before the first stop string, however the text is cut into pieces, and holds back only what may still become one.
 * The first stop to be complete wins; of those complete at the same character the longest, so nothing of it is shown. Each
 * character is looked at once per stop (Knuth, Morris, Pratt 1977). Pure.
 */

interface StopPattern {
  readonly text: string;
  /** failure[n]: length of the longest proper prefix of text[0, n) that is also its suffix. */
  readonly failure: Int32Array;
}

export interface StopSet {
  readonly patterns: readonly StopPattern[];
}

export type StopWindowState =
  /** `held` is the end of the text so far that may begin a stop; `matched[p]` of its characters match pattern p. */
  { readonly kind: "open"; readonly held: string; readonly matched: readonly number[] } | { readonly kind: "stopped" };

export interface StopWindowStep {
  readonly state: StopWindowState;
  /** Text that is final. */
  readonly text: string;
}

const STOPPED: StopWindowState = { kind: "stopped" };

function failureOf(text: string): Int32Array {
  const failure = new Int32Array(text.length + 1);
  let length = 0;
  for (let index = 1; index < text.length; index++) {
    while (length > 0 && text.charCodeAt(index) !== text.charCodeAt(length)) length = failure[length] ?? 0;
    if (text.charCodeAt(index) === text.charCodeAt(length)) length++;
    failure[index + 1] = length;
  }
  return failure;
}

/** Stops that can never occur in a text are left out: empty ones and those with half a surrogate pair. */
export function stopSet(stops: readonly string[]): StopSet {
  return { patterns: stops.filter((text) => text !== "" && text.isWellFormed()).map((text) => ({ text, failure: failureOf(text) })) };
}

export function startStopWindow(stops: StopSet): StopWindowState {
  return { kind: "open", held: "", matched: stops.patterns.map(() => 0) };
}

/** How many characters match after one more. */
function advance(pattern: StopPattern, matched: number, unit: number): number {
  let length = matched;
  while (length > 0 && pattern.text.charCodeAt(length) !== unit) length = pattern.failure[length] ?? 0;
  return pattern.text.charCodeAt(length) === unit ? length + 1 : 0;
}

/** @param piece well-formed text; ignored once the window has stopped */
export function pushText(stops: StopSet, state: StopWindowState, piece: string): StopWindowStep {
  if (state.kind === "stopped") return { state, text: "" };
  if (piece === "" || stops.patterns.length === 0) return { state, text: piece };
  const matched = [...state.matched];
  const text = state.held + piece;
  for (let index = 0; index < piece.length; index++) {
    const unit = piece.charCodeAt(index);
    let complete = 0;
    for (const [number, pattern] of stops.patterns.entries()) {
      const length = advance(pattern, matched[number] ?? 0, unit);
      matched[number] = length;
      if (length === pattern.text.length) complete = Math.max(complete, length);
    }
    if (complete > 0) return { state: STOPPED, text: text.slice(0, state.held.length + index + 1 - complete) };
  }
  const heldLength = Math.max(...matched);
  return { state: { kind: "open", held: text.slice(text.length - heldLength), matched }, text: text.slice(0, text.length - heldLength) };
}

/** What was held back and is text after all, when no more comes. */
export function flushStopWindow(state: StopWindowState): string {
  return state.kind === "open" ? state.held : "";
}
