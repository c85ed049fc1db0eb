/** What a prompt saves that begins as one before it did: the time to its first token, against that of a prompt all its own. */
import type { BenchContext, BenchPart } from "../context.ts";
import { formatHeader, formatRow, type Row } from "../table.ts";
import { firstTokenMs, startEngine } from "./our-engine.ts";

const PROMPT_TOKENS = 1_000;
/** Of them differ. */
const OWN_TOKENS = 16;
const GOAL = 0.1;

export const PREFIX_PART: BenchPart = {
  name: "prefix",
  help: `first token of a prompt of ${PROMPT_TOKENS} tokens of which all but ${OWN_TOKENS} are those of one before it, ÷ of one all its own`,
  run: prefix,
};

async function prefix(context: BenchContext): Promise<readonly Row[]> {
  const { signal } = context;
  context.say(`\na shared beginning: ${PROMPT_TOKENS - OWN_TOKENS} of ${PROMPT_TOKENS} tokens, native, 1 stage x 1 thread; first token`);
  await using replica = await startEngine(context, { quantization: "native", stages: 1, threads: 1, slots: 4 });
  const ratios: number[] = [];
  const hits: number[] = [];
  const misses: number[] = [];
  for (let round = 0; round < context.rounds; round++) {
    misses.push(await firstTokenMs(replica, PROMPT_TOKENS, signal));
    const hit = await firstTokenMs(replica, PROMPT_TOKENS, signal, OWN_TOKENS);
    hits.push(hit);
    ratios.push(hit / (misses.at(-1) ?? Number.NaN));
  }
  const row = (name: string, unit: string, ours: readonly number[], most?: number): Row => ({
    name,
    unit,
    better: "less",
    ours,
    peer: [],
    ...(most === undefined ? {} : { goal: { kind: "figure", most } }),
  });
  const rows = [row("all its own", "ms", misses), row("begins alike", "ms", hits), row("begins alike ÷ all its own", "x", ratios, GOAL)];
  context.say(formatHeader(""));
  for (const one of rows) context.say(formatRow(one));
  return rows;
}
