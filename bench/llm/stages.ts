/** What a cut costs: two stages with one thread each against one stage with two threads, and against one with one, on the same cores. */
import { startReplica } from "../../embedded/replica.ts";
import type { BenchContext } from "../context.ts";
import { formatRow, header, type Row } from "../table.ts";
import { decodeSpeed } from "./our-engine.ts";

const SEQUENCES = [1, 2, 4] as const;
const TOKENS = 96;

export async function twoStagesAgainstOne(context: BenchContext): Promise<readonly Row[]> {
  context.say("\ntwo stages, 1 thread each ÷ one stage on the same two cores (2 threads), native");
  const two = new Map<number, number[]>(SEQUENCES.map((count) => [count, []]));
  const one = new Map<number, number[]>(SEQUENCES.map((count) => [count, []]));
  for (let round = 0; round < context.rounds; round++) {
    for (const [stages, threads, figures] of [
      [2, 1, two],
      [1, 2, one],
    ] as const) {
      await using replica = await startReplica(
        { ...context.folders, model: context.model, version: "1", stages, quantization: "native", slots: 8, contextLength: 1_024, threads },
        context.logger,
        context.signal,
      );
      await decodeSpeed(replica, 2, 8);
      for (const count of SEQUENCES) figures.get(count)?.push(await decodeSpeed(replica, count, TOKENS));
    }
  }
  context.say(header("one stage"));
  return SEQUENCES.map((count) => {
    const row: Row = {
      name: `native, ${count} sequence(s), 2 stages ÷ 1`,
      ours: two.get(count) ?? [],
      peer: one.get(count) ?? [],
      unit: "tok/s",
      ...(count === 1 ? {} : { goal: 0.95 }),
    };
    context.say(formatRow(row));
    return row;
  });
}
