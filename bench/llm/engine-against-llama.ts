/** Decode and prefill through the whole engine against llama.cpp: same weights, same threads, rounds in turn. */
import { startReplica } from "../../embedded/replica.ts";
import type { BenchContext } from "../context.ts";
import { formatRow, header, type Row } from "../table.ts";
import { decodeSpeed, prefillSpeed } from "./our-engine.ts";
import { peerFile, TIERS } from "./quantizations.ts";
import { theirDecodeSpeeds, theirPrefillSpeeds } from "./their-engine.ts";

const SEQUENCES = [1, 4, 8, 16] as const;
const PREFILLS = [128, 512] as const;
const TOKENS = 64;
const CONTEXT_LENGTH = 1_024;

type Figures = Map<string, number[]>;

const add = (figures: Figures, name: string, value: number): void => {
  const list = figures.get(name) ?? [];
  list.push(value);
  figures.set(name, list);
};

export async function engineAgainstLlama(context: BenchContext): Promise<readonly Row[]> {
  const rows: Row[] = [];
  for (const tier of TIERS.filter(({ quantization }) => context.wants(quantization))) {
    const file = await peerFile(context.peer, context.modelFile, tier);
    for (const threads of context.threads) {
      context.say(
        `\n${tier.quantization} ÷ llama.cpp ${tier.peerType ?? "on the same file"}, ${threads} thread(s), ${context.rounds} rounds in turn`,
      );
      const ours: Figures = new Map();
      const theirs: Figures = new Map();
      for (let round = 0; round < context.rounds; round++) {
        await ourRound(context, tier.quantization, threads, ours);
        for (const [count, speed] of await theirDecodeSpeeds(context.peer, file, threads, SEQUENCES, TOKENS))
          add(theirs, `decode ${count}`, speed);
        for (const [length, speed] of await theirPrefillSpeeds(context.peer, file, threads, PREFILLS))
          add(theirs, `prefill ${length}`, speed);
      }
      context.say(header(`llama.cpp ${tier.peerType ?? ""}`));
      for (const [name, figures] of ours) {
        const goal = name === "decode 1" ? tier.goals.one : name.startsWith("decode") ? tier.goals.batch : tier.goals.prefill;
        const row: Row = {
          name: `${tier.quantization} ${name}, ${threads} thread(s)`,
          ours: figures,
          peer: theirs.get(name) ?? [],
          unit: "tok/s",
          goal,
        };
        context.say(formatRow(row));
        rows.push(row);
      }
    }
  }
  return rows;
}

async function ourRound(context: BenchContext, quantization: string, threads: number, figures: Figures): Promise<void> {
  await using replica = await startReplica(
    { ...context.folders, model: context.model, version: "1", stages: 1, quantization, slots: 16, contextLength: CONTEXT_LENGTH, threads },
    context.logger,
    context.signal,
  );
  await decodeSpeed(replica, 2, 8);
  await prefillSpeed(replica, 128);
  for (const count of SEQUENCES) add(figures, `decode ${count}`, await decodeSpeed(replica, count, TOKENS));
  for (const length of PREFILLS) add(figures, `prefill ${length}`, await prefillSpeed(replica, length));
}
