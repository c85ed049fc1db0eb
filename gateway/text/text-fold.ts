/**
 * A generation's text as a fold over its token ids: detokenizer, then stop window. A state is a value: folding the same ids from
 * the first gives the same state anywhere, so any gateway can take a stream up at any position. Pure.
 */
import { type DetokenizerState, detokenize, flushDetokenizer, startDetokenizer } from "./detokenizer.ts";
import { flushStopWindow, pushText, type StopSet, type StopWindowState, startStopWindow, stopSet } from "./stop-window.ts";
import type { TokenTable } from "./token-table.ts";

/** What stays the same over a generation. */
export interface TextFold {
  readonly table: TokenTable;
  readonly stops: StopSet;
  readonly start: TextFoldState;
}

export interface TextFoldState {
  readonly detokenizer: DetokenizerState;
  readonly window: StopWindowState;
}

export interface TextFoldStep {
  readonly state: TextFoldState;
  /** Final text that this token releases; often empty. */
  readonly text: string;
  /** A stop string is complete: no more text will come, and the generation should be canceled. */
  readonly stopped: boolean;
}

/** @param options.textStart see `startDetokenizer`: true for chat, false for completions */
export function textFold(table: TokenTable, stops: readonly string[], options: { readonly textStart: boolean }): TextFold {
  const set = stopSet(stops);
  return { table, stops: set, start: { detokenizer: startDetokenizer(table, options), window: startStopWindow(set) } };
}

export function pushToken(fold: TextFold, state: TextFoldState, id: number): TextFoldStep {
  const { state: detokenizer, piece } = detokenize(fold.table, state.detokenizer, id);
  const { state: window, text } = pushText(fold.stops, state.window, piece);
  const same = detokenizer === state.detokenizer && window === state.window;
  return { state: same ? state : { detokenizer, window }, text, stopped: window.kind === "stopped" };
}

/** The rest of the text, when no more tokens come: an unfinished character as U+FFFD, and what was held back for a stop. */
export function finishText(fold: TextFold, state: TextFoldState): string {
  const { state: window, text } = pushText(fold.stops, state.window, flushDetokenizer(state.detokenizer));
  return text + flushStopWindow(window);
}
