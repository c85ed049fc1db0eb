/** What a cut costs and brings: two stages with one thread each against one stage, with one thread and with two on the same cores. */
import type { BenchContext, BenchPart } from "../context.ts";
import { figuresOf, inTurn } from "../rounds.ts";
import { formatHeader, formatRow, median, type Row } from "../table.ts";
import { decodeSpeed, startEngine } from "./our-engine.ts";

const SEQUENCES = [1, 2, 4, 8] as const;
const TOKENS = 96;
const PASSES = 2;

const TWO = "2 stages x 1 thread";
const ONE_WIDE = "1 stage x 2 threads";
const ONE_NARROW = "1 stage x 1 thread";

/** Of the whole engine: at least this much of one stage's speed with as many sequences as stages. */
const GOAL_SAME_CORES = 0.95;
const GOAL_HOP_MS = 0.5;

export const STAGES_PART: BenchPart = {
  name: "stages",
  help: `two stages ÷ one stage at ${SEQUENCES.join(", ")} sequences: on the same cores, and for each core; a hop's latency`,
  run: stages,
};

async function stages(context: BenchContext): Promise<readonly Row[]> {
  context.say("\ntwo stages ÷ one stage, native");
  const side = (name: string, shape: { readonly stages: number; readonly threads: number }) => ({
    name,
    measure: () => measure(context, shape),
  });
  const sides = [
    side(TWO, { stages: 2, threads: 1 }),
    side(ONE_WIDE, { stages: 1, threads: 2 }),
    side(ONE_NARROW, { stages: 1, threads: 1 }),
  ];
  const collected = await inTurn(sides, context.rounds, context.say);
  const against = (peer: string, sequences: number): Row => ({
    name: `native decode ${sequences}, ${TWO}`,
    unit: "tok/s",
    better: "more",
    ours: figuresOf(collected, TWO, decodeName(sequences)),
    peer: figuresOf(collected, peer, decodeName(sequences)),
    ...(peer === ONE_WIDE && sequences > 1 ? { goal: { kind: "ratio", least: GOAL_SAME_CORES } } : {}),
  });
  const rows: Row[] = [];
  for (const peer of [ONE_WIDE, ONE_NARROW]) {
    context.say(formatHeader(peer));
    for (const row of SEQUENCES.map((sequences) => against(peer, sequences))) {
      context.say(formatRow(row));
      rows.push({ ...row, name: `${row.name} ÷ ${peer}` });
    }
  }
  const hop: Row = {
    name: "added latency of a hop, 1 sequence",
    unit: "ms",
    better: "less",
    ours: hopMs(figuresOf(collected, TWO, decodeName(1)), figuresOf(collected, ONE_NARROW, decodeName(1))),
    peer: [],
    goal: { kind: "figure", most: GOAL_HOP_MS },
  };
  context.say(formatRow(hop));
  return [...rows, hop];
}

/** A token's time through two stages beyond its time through one, with the same threads at work on each layer. */
function hopMs(two: readonly number[], one: readonly number[]): readonly number[] {
  return two.map((speed, round) => 1_000 / speed - 1_000 / (one[round] ?? Number.NaN));
}

async function measure(
  context: BenchContext,
  shape: { readonly stages: number; readonly threads: number },
): Promise<ReadonlyMap<string, number>> {
  await using replica = await startEngine(context, { ...shape, quantization: "native", slots: 8 });
  const speeds = new Map<string, number>();
  for (const sequences of SEQUENCES) {
    const passes: number[] = [];
    for (let pass = 0; pass < PASSES; pass++) passes.push(await decodeSpeed(replica, { sequences, tokens: TOKENS }, context.signal));
    speeds.set(decodeName(sequences), median(passes));
  }
  return speeds;
}

const decodeName = (sequences: number): string => `decode ${sequences}`;
