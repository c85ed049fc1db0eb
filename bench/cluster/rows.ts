/** Rows of what was measured behind both clusters: ours is the one of processes, the other the embedded one. Pure. */
import { type Figures, figuresOf } from "../rounds.ts";
import type { Row } from "../table.ts";

/** The sides' names. */
export const PROCESSES = "processes";
export const EMBEDDED = "embedded";

export function comparedRow(
  collected: ReadonlyMap<string, Figures>,
  name: string,
  { unit, better = "less" }: { readonly unit: string; readonly better?: Row["better"] | undefined },
): Row {
  return { name, unit, better, ours: figuresOf(collected, PROCESSES, name), peer: figuresOf(collected, EMBEDDED, name) };
}

/** What processes take more than one process, round by round. */
export function addedRow(compared: Row, name: string): Row {
  return { ...compared, name, ours: compared.ours.map((figure, round) => figure - (compared.peer[round] ?? Number.NaN)), peer: [] };
}
