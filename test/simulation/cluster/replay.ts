/** Replays one simulation and prints its events: `npm run simulate -- SEED [COUNT]`; with a count, that many seeds from there on. */
import { simulate } from "./simulate.ts";

const [seed = 1n, count = 1n] = process.argv.slice(2).map(BigInt);
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
