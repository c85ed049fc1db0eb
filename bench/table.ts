/** Figures of interleaved rounds, as medians and spreads, ours beside the peer's and the goal. Pure. */

export interface Row {
  readonly name: string;
  readonly unit: string;
  readonly better: "more" | "less";
  /** One figure a round. */
  readonly ours: readonly number[];
  /** The same rounds' figures of what ours is compared with; empty when it stands alone. */
  readonly peer: readonly number[];
  readonly goal?: Goal;
}

/** `ratio`: at least so many times as good as the peer; `most`: the median figure at most so much. */
export type Goal = { readonly kind: "ratio"; readonly least: number } | { readonly kind: "figure"; readonly most: number };

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
}

/** How many times as good as the peer ours was in each round: what the machine does to both sides of a round cancels out. */
export function ratios({ ours, peer, better }: Row): readonly number[] {
  const rounds = Math.min(ours.length, peer.length);
  return Array.from({ length: rounds }, (_, round) => {
    const [own, other] = [ours[round] ?? Number.NaN, peer[round] ?? Number.NaN];
    return better === "more" ? own / other : other / own;
  });
}

/** undefined: the row has no goal. */
export function goalIsMet(row: Row): boolean | undefined {
  switch (row.goal?.kind) {
    case undefined:
      return undefined;
    case "ratio":
      return median(ratios(row)) >= row.goal.least;
    case "figure":
      return median(row.ours) <= row.goal.most;
  }
}

const NAME_WIDTH = 50;
const FIGURE_WIDTH = 24;
const RATIO_WIDTH = 20;

/** The line above a table's rows. */
export function formatHeader(peer: string): string {
  return [
    "".padEnd(NAME_WIDTH),
    "ours".padStart(FIGURE_WIDTH),
    peer.padStart(FIGURE_WIDTH),
    " unit".padEnd(10),
    (peer === "" ? "" : "ratio").padStart(RATIO_WIDTH),
    " goal",
  ].join(" ");
}

/** One line: name, ours, the peer's, unit, ratio, goal; figures as median [smallest..largest]. */
export function formatRow(row: Row): string {
  return [
    row.name.padEnd(NAME_WIDTH),
    formatFigures(row.ours).padStart(FIGURE_WIDTH),
    (row.peer.length === 0 ? "" : formatFigures(row.peer)).padStart(FIGURE_WIDTH),
    ` ${row.unit}`.padEnd(10),
    (row.peer.length === 0 ? "" : formatFigures(ratios(row), 2)).padStart(RATIO_WIDTH),
    formatGoal(row),
  ].join(" ");
}

function formatFigures(values: readonly number[], digits?: number): string {
  if (values.length === 0) return "-";
  const middle = Math.abs(median(values));
  const shown = digits ?? (middle >= 100 ? 0 : middle >= 10 ? 1 : 2);
  const [low, high] = [Math.min(...values), Math.max(...values)];
  return `${median(values).toFixed(shown)} [${low.toFixed(shown)}..${high.toFixed(shown)}]`;
}

function formatGoal(row: Row): string {
  if (row.goal === undefined) return "";
  const wanted = row.goal.kind === "ratio" ? `≥ ${row.goal.least.toFixed(2)}` : `≤ ${row.goal.most} ${row.unit}`;
  return ` ${wanted} ${goalIsMet(row) === true ? "met" : "SHORT"}`;
}
