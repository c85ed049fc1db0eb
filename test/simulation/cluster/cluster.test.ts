/** Whole gateways and agents in one process under virtual time: whatever fails, clients get the model's own tokens or a clear error. */
import { expect, test } from "vitest";
import { type SimulationReport, simulate } from "./simulate.ts";

const SEEDS = 2_000;
const SEEDS_PER_TEST = 20;
/** Of real time, on a machine that is busy with other things: a simulation that hangs fails by its virtual time. */
const TIMEOUT_MS = 60_000;
const firsts = Array.from({ length: SEEDS / SEEDS_PER_TEST }, (_, block) => 1 + block * SEEDS_PER_TEST);

async function simulated(seed: bigint): Promise<SimulationReport> {
  try {
    return await simulate(seed);
  } catch (cause) {
    throw new Error(`seed ${seed}: ${cause instanceof Error ? cause.message : String(cause)}; see it with: npm run simulate -- ${seed}`, {
      cause,
    });
  }
}

test.each(firsts)(
  "seeds from %i on: a cluster under faults answers every request, heals, and leaves nothing behind",
  async (first) => {
    let complete = 0;
    for (let seed = first; seed < first + SEEDS_PER_TEST; seed++) complete += (await simulated(BigInt(seed))).complete;
    expect(complete).toBeGreaterThan(SEEDS_PER_TEST);
  },
  TIMEOUT_MS,
);

test(
  "a seed replays event by event",
  async () => {
    const runs: string[][] = [[], []];
    for (const lines of runs) await simulate(7n, (line) => lines.push(line));
    expect(runs[0]?.length).toBeGreaterThan(20);
    expect(runs[1]).toEqual(runs[0]);
  },
  TIMEOUT_MS,
);
