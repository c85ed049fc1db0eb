/** What streams that lived through faults came to, as a row's verdict. */
import type { KillReport } from "./killed-streams.ts";
import { percentile } from "./load.ts";
import type { Verdict } from "./row.ts";

/** @param wanted faults @param gapMsMax longest silence of a stream that is allowed */
export function killVerdict(wanted: number, report: KillReport, gapMsMax = Number.POSITIVE_INFINITY): Verdict {
  const { kills, tokens, lost, more, other, errors, gapsMs } = report;
  const max = Math.round(gapsMs.at(-1) ?? 0);
  return {
    holds: kills === wanted && lost + more + other + errors.length === 0,
    inTime: max <= gapMsMax,
    figures: {
      n: `${kills}/${wanted}`,
      tokens,
      lost,
      dup: more,
      diff: other,
      failed: errors.length,
      limit: 0,
      gap_ms: `p50=${percentile(gapsMs, 0.5)},max=${max}`,
      ...(Number.isFinite(gapMsMax) && { gap_limit: gapMsMax }),
    },
    errors,
  };
}
