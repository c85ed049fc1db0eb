/** Levels of load one after the other: `1:8:2` is 1, 3, 5, 7. Pure. */
import type { SettingKind } from "../core/settings.ts";

/** From `start` to `end`, both included. */
export interface Range {
  readonly start: number;
  readonly end: number;
  readonly step: number;
  /** Its end was given as 0: a latency that is too long ends it. */
  readonly isOpen: boolean;
}

/** More would never be waited for. */
const LEVELS_MAX = 1_000;

/** `start`, `start:end` or `start:end:step`, as Perf Analyzer writes it; an `end` of 0 is as far as it goes, until a latency is too long. */
export function range(limits: { readonly whole: boolean; readonly most: number }): SettingKind<Range | undefined> {
  return {
    allowed: `START, START:END or START:END:STEP, up to ${limits.most}`,
    parse: (text) => {
      const [start = Number.NaN, last = start, step = 1, ...rest] = text
        .split(":")
        .map((part) => (part === "" ? Number.NaN : Number(part)));
      const end = last === 0 ? Math.min(limits.most, start + step * (LEVELS_MAX - 1)) : last;
      const numbers = [start, end, step];
      const fits = numbers.every((one) => one > 0 && one <= limits.most && (!limits.whole || Number.isInteger(one)));
      return fits && rest.length === 0 && end >= start && (end - start) / step < LEVELS_MAX
        ? { start, end, step, isOpen: last === 0 }
        : undefined;
    },
  };
}

export function levels({ start, end, step }: Omit<Range, "isOpen">): readonly number[] {
  // Counted, not added up: steps such as 0.1 would miss the end.
  return Array.from({ length: Math.floor((end - start) / step + 1e-9) + 1 }, (_, index) => start + index * step);
}

export const SEARCHES = ["linear", "binary"] as const;
export type Search = (typeof SEARCHES)[number];

/** A level that was measured, by its place in the list. */
export interface TriedLevel {
  readonly place: number;
  /** Its latency was too long. */
  readonly isOver: boolean;
}

/**
 * The place of the level to measure next; undefined: none. One after the other until one is over; or the lowest, the highest, and then
 * always the one in the middle between the highest that was not over and the lowest that was.
 */
export function nextLevel(search: Search, count: number, tried: readonly TriedLevel[]): number | undefined {
  const { length } = tried;
  if (length === 0) return 0;
  if (search === "linear") return tried.at(-1)?.isOver === true || length === count ? undefined : length;
  const low = Math.max(-1, ...tried.flatMap(({ place, isOver }) => (isOver ? [] : [place])));
  const high = Math.min(count, ...tried.flatMap(({ place, isOver }) => (isOver ? [place] : [])));
  if (high - low <= 1) return undefined;
  return length === 1 ? count - 1 : Math.floor((low + high) / 2);
}
