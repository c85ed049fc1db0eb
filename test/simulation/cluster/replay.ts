/**
 * Replays one simulation and prints its events: `npm run simulate -- SEED [COUNT]`; with a count, that many seeds from there on.
 * `npm run simulate -- bugs` prints how many seeds it takes to find each planted bug.
 */
import { JOURNAL_BUGS } from "./journal-bugs.ts";
import { PLANTED_BUGS } from "./planted-bugs.ts";
import { seedsUntilFound } from "./seeds-until-found.ts";
import { simulate } from "./simulate.ts";

const SEEDS_MAX = 1_000;
const isAboutBugs = process.argv[2] === "bugs";
const [seed = 1n, count = 1n] = isAboutBugs ? [1n, 0n] : process.argv.slice(2).map(BigInt);
const write = (line: string) => void process.stdout.write(`${line}\n`);

for (let one = seed; one < seed + count; one++) {
  try {
    const report = await simulate(one, count === 1n ? write : undefined);
    write(`seed ${one}: ${JSON.stringify(report)}`);
  } catch (thrown) {
    process.exitCode = 1;
    write(`seed ${one}: ${thrown instanceof Error ? thrown.message : String(thrown)}`);
  }
}

for (const bug of isAboutBugs ? [...PLANTED_BUGS, ...JOURNAL_BUGS] : []) {
  const found = await seedsUntilFound(bug, SEEDS_MAX);
  if (found === undefined) process.exitCode = 1;
  write(`${bug.name.padEnd(40)} ${found === undefined ? `not found in ${SEEDS_MAX} seeds` : `seed ${found.seeds}: ${found.by}`}`);
}
