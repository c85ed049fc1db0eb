/** Figures of interleaved rounds, as medians and spreads, ours beside the peer's. */

export interface Row {
  readonly name: string;
  /** One figure a round; larger is better unless `smallerIsBetter`. */
  readonly ours: readonly number[];
  readonly peer: readonly number[];
  readonly unit: string;
  readonly goal?: number;
  readonly smallerIsBetter?: boolean;
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
}

/** The median over the rounds of ours ÷ peer (peer ÷ ours where smaller is better): what the machine does to both cancels out. */
export function ratio(row: Row): number {
  const ratios = row.ours.map((ours, round) =>
    row.smallerIsBetter === true ? (row.peer[round] ?? Number.NaN) / ours : ours / (row.peer[round] ?? Number.NaN),
  );
  return median(ratios);
}

const figure = (values: readonly number[]): string => {
  if (values.length === 0) return "-";
  const digits = median(values) >= 100 ? 0 : median(values) >= 10 ? 1 : 2;
  const [low, high] = [Math.min(...values), Math.max(...values)];
  return `${median(values).toFixed(digits)} [${low.toFixed(digits)}..${high.toFixed(digits)}]`;
};

/** One line a row: name, ours, peer, ratio, goal. */
export function formatRow(row: Row): string {
  const goal = row.goal === undefined ? "" : `goal ${row.goal.toFixed(2)}`;
  const quotient = row.peer.length === 0 ? "" : `${ratio(row).toFixed(2)} x`;
  return `${row.name.padEnd(44)} ${figure(row.ours).padStart(22)} ${figure(row.peer).padStart(22)} ${row.unit.padEnd(8)} ${quotient.padStart(8)}  ${goal}`;
}

export function header(peer: string): string {
  return `${"".padEnd(44)} ${"ours".padStart(22)} ${peer.padStart(22)}`;
}
