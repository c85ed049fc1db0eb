/** What streams that lived through kills came to, as a row's verdict. */
import type { KillReport } from "./killed-streams.ts";
import type { Verdict } from "./row.ts";

/** @param wanted kills */
export function killVerdict(wanted: number, { kills, tokens, lost, more, other, errors, gapsMs }: KillReport): Verdict {
  const [p50, max] = [gapsMs[Math.floor(gapsMs.length / 2)], gapsMs.at(-1)].map((ms) => ms?.toFixed(0) ?? "none");
  return {
    holds: kills === wanted && lost + more + other + errors.length === 0,
    figures: {
      n: `${kills}/${wanted}`,
      tokens,
      lost,
      dup: more,
      diff: other,
      failed: errors.length,
      limit: 0,
      gap_ms: `p50=${p50},max=${max}`,
    },
    errors,
  };
}
