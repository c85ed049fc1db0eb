/** Decode and prefill through the whole engine against llama.cpp: the same weights, threads, tokens and cache, rounds in turn. */
import type { BenchContext, BenchPart } from "../context.ts";
import { figuresOf, inTurn } from "../rounds.ts";
import { formatHeader, formatRow, median, type Row } from "../table.ts";
import { CONTEXT_LENGTH, decodeSpeed, firstTokenMs, startEngine } from "./our-engine.ts";
import { peerFile, TIERS, type Tier } from "./quantizations.ts";
import { theirDecodeSpeeds, theirPrefillSpeeds } from "./their-engine.ts";

const SEQUENCES = [1, 4, 8, 16] as const;
const PREFILLS = [128, 512] as const;
const SLOTS = 16;
const TOKENS = 64;
/** Measurements of each kind in a round, of which the median counts. */
const DECODE_PASSES = 2;
const PREFILL_PASSES = 3;

const PASSES = Array.from({ length: DECODE_PASSES }, () => SEQUENCES).flat();

export const ENGINE_PARTS: readonly BenchPart[] = TIERS.map((tier) => ({
  name: tier.quantization,
  help: `decode at ${SEQUENCES.join(", ")} sequences and prefill of ${PREFILLS.join(" and ")}, ÷ llama.cpp ${peerName(tier)}`,
  run: (context) => engineAgainstLlama(context, tier),
}));

async function engineAgainstLlama(context: BenchContext, tier: Tier): Promise<readonly Row[]> {
  const rows: Row[] = [];
  const modelFile = await peerFile(context, tier);
  for (const threads of context.threads) {
    context.say(`\n${tier.quantization} ÷ llama.cpp ${peerName(tier)}, ${threadsText(threads)}`);
    const sides = [
      { name: "ours", measure: () => ourRound(context, tier, threads) },
      { name: "llama.cpp", measure: () => theirRound(context, modelFile, threads) },
    ];
    const collected = await inTurn(sides, context.rounds, context.say);
    context.say(formatHeader(`llama.cpp ${tier.peerType ?? ""}`));
    for (const name of [...SEQUENCES.map(decodeName), ...PREFILLS.map(prefillName)]) {
      const row: Row = {
        name: `${tier.quantization} ${name}, ${threadsText(threads)}`,
        unit: "tok/s",
        better: "more",
        ours: figuresOf(collected, "ours", name),
        peer: figuresOf(collected, "llama.cpp", name),
        goal: { kind: "ratio", least: goalOf(tier, name) },
      };
      context.say(formatRow(row));
      rows.push(row);
    }
  }
  return rows;
}

async function ourRound(context: BenchContext, tier: Tier, threads: number): Promise<ReadonlyMap<string, number>> {
  const { signal } = context;
  const figures = new Map<string, number[]>();
  const note = (name: string, figure: number) => figures.set(name, [...(figures.get(name) ?? []), figure]);
  await using replica = await startEngine(context, { quantization: tier.quantization, stages: 1, threads, slots: SLOTS });
  for (const sequences of PASSES) note(decodeName(sequences), await decodeSpeed(replica, { sequences, tokens: TOKENS }, signal));
  for (const length of PREFILLS)
    for (let pass = 0; pass < PREFILL_PASSES; pass++)
      note(prefillName(length), (length * 1_000) / (await firstTokenMs(replica, length, signal)));
  return new Map([...figures].map(([name, values]) => [name, median(values)]));
}

async function theirRound(context: BenchContext, modelFile: string, threads: number): Promise<ReadonlyMap<string, number>> {
  const run = { modelFile, threads, contextLength: CONTEXT_LENGTH, slots: SLOTS };
  const decodes = await theirDecodeSpeeds(context, run, { sequences: SEQUENCES, tokens: TOKENS, passes: DECODE_PASSES });
  const prefills = await theirPrefillSpeeds(context, run, { lengths: PREFILLS, passes: PREFILL_PASSES });
  return new Map([
    ...[...decodes].map(([sequences, speed]) => [decodeName(sequences), speed] as const),
    ...[...prefills].map(([length, speed]) => [prefillName(length), speed] as const),
  ]);
}

const decodeName = (sequences: number): string => `decode ${sequences}`;
const prefillName = (length: number): string => `prefill ${length}`;
const threadsText = (threads: number): string => (threads === 1 ? "1 thread" : `${threads} threads`);

function peerName({ peerType }: Tier): string {
  return peerType === undefined ? "on the same file" : `on its ${peerType}`;
}

function goalOf({ goals }: Tier, name: string): number {
  if (name === decodeName(1)) return goals.one;
  return name.startsWith("decode") ? goals.batch : goals.prefill;
}
