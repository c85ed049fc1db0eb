/** All figures of a run as a file, for comparisons between commits. */
import { mkdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";
import type { Machine } from "./machine.ts";
import { goalIsMet, median, type Row, ratios } from "./table.ts";

export interface PartResult {
  readonly part: string;
  readonly rows: readonly Row[];
}

export interface RunResults {
  readonly machine: Machine;
  readonly suite: string;
  readonly rounds: number;
  /** undefined: no part has needed the peer. */
  readonly peer: string | undefined;
  readonly parts: readonly PartResult[];
}

const RESULTS = fileURLToPath(new URL("results", import.meta.url));

/** @param name of a file in bench/results/, or with a folder of its own @returns where it lies */
export async function writeResults(name: string, results: RunResults): Promise<string> {
  const file = path.dirname(name) === "." ? path.join(RESULTS, name) : path.resolve(name);
  const parts = results.parts.map(({ part, rows }) => ({ part, rows: rows.map(withSummary) }));
  await mkdir(path.dirname(file), { recursive: true });
  await writeFile(file, `${JSON.stringify({ ...results, parts }, undefined, 2)}\n`);
  return file;
}

function withSummary(row: Row): Record<string, unknown> {
  const ratio = row.peer.length === 0 ? undefined : median(ratios(row));
  return { ...row, median: median(row.ours), ratio, met: goalIsMet(row) };
}
