/** Whether measuring longer would say something else: Perf Analyzer's rule. Pure. */

export interface WindowFigures {
  readonly perSecond: number;
  readonly latencyMs: number;
}

/** Windows that must agree. */
export const STABLE_WINDOWS = 3;

/** The last windows each lie within so many percent of their average, in throughput and in latency. */
export function isStable(windows: readonly WindowFigures[], percent: number): boolean {
  if (windows.length < STABLE_WINDOWS) return false;
  const last = windows.slice(-STABLE_WINDOWS);
  return (
    agree(
      last.map(({ perSecond }) => perSecond),
      percent,
    ) &&
    agree(
      last.map(({ latencyMs }) => latencyMs),
      percent,
    )
  );
}

function agree(values: readonly number[], percent: number): boolean {
  const average = values.reduce((sum, value) => sum + value, 0) / values.length;
  return average > 0 && values.every((value) => Math.abs(value - average) <= (percent / 100) * average);
}
