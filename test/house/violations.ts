/** How house tests fail: every breach with its place, and what to do instead. */
import { expect } from "vitest";

export interface Breach {
  /** `path` or `path:line`. */
  readonly at: string;
  readonly what: string;
}

/** Fails with a line for each breach and the remedy. */
export function expectNone(breaches: readonly Breach[], remedy: string): void {
  const lines = breaches.map(({ at, what }) => `${at}  ${what}`);
  expect(lines, `${lines.length} breach${lines.length === 1 ? "" : "es"}. Instead: ${remedy}\n${lines.join("\n")}\n`).toEqual([]);
}
