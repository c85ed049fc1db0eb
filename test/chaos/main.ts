/**
 * `npm run chaos`: does to real processes of real clusters what happens to them, and prints a line per promise: how often, what it
 * came to, what the limit is, and the seed. Ends with 1 when a promise is broken, or kept without what should keep it.
 */
import { shardCache } from "../support/replica.ts";
import { type ChaosPlan, readCommandLine } from "./command-line.ts";
import { mutatedEnvironment } from "./preloaded.ts";
import type { Row, Verdict } from "./row.ts";
import { ROWS } from "./rows.ts";

async function runAll({ rows, seed, kills, runs }: ChaosPlan): Promise<void> {
  await using cache = await shardCache();
  const counts = { passed: 0, failed: 0 };
  for (const row of rows) {
    for (const guarded of runs) {
      const environment = mutatedEnvironment(guarded ? [] : (row.mutations ?? []));
      const run = { seed, kills, protected: guarded, environment, cache };
      const verdict: Verdict & { readonly broken?: true } = await row.run(run).catch(broken);
      const kept = verdict.holds && verdict.inTime !== false;
      counts[verdict.broken === undefined && (guarded ? kept : !verdict.holds) ? "passed" : "failed"] += 1;
      say(row, { verdict, guarded, seed });
    }
  }
  process.stdout.write(`${counts.passed} passed, ${counts.failed} failed\n`);
  process.exit(counts.failed === 0 ? 0 : 1); // clients of a row that could not be run would go on asking
}

/** A row that could not be run shows nothing: neither that a promise holds nor that it needs its protection. */
function broken(thrown: unknown): Verdict & { readonly broken: true } {
  return { broken: true, holds: false, figures: {}, errors: [String(thrown)] };
}

function say({ promise, name, protection }: Row, run: { verdict: Verdict; guarded: boolean; seed: bigint }): void {
  const { holds, inTime = true, figures, errors = [] } = run.verdict;
  const words = Object.entries(figures).map(([key, value]) => `${key}=${value}`);
  const off = run.guarded ? "" : ` off="${protection}" ${holds ? "BUT IT HOLDS" : "must fail"}`;
  process.stdout.write(
    `${promise} ${name.padEnd(24)} ${!holds ? "FAIL" : inTime ? "PASS" : "LATE"} ${words.join(" ")} seed=${run.seed}${off}\n`,
  );
  for (const error of [...new Set(errors)].slice(0, 5)) process.stdout.write(`    ${error}\n`);
}

const plan = readCommandLine(process.argv.slice(2), ROWS);
if (typeof plan === "string") process.stdout.write(plan);
else await runAll(plan);
