/** The peer's side of a round: llama.cpp's own benchmark programs, which generate without sampling and without a server. */
import type { BenchContext } from "../context.ts";
import { runTool } from "../program.ts";
import { median } from "../table.ts";

const LIMIT_MS = 300_000;

export interface TheirRun {
  readonly modelFile: string;
  readonly threads: number;
  /** Positions that a sequence may have, and how many sequences: the size of its cache. */
  readonly contextLength: number;
  readonly slots: number;
}

/** Tokens per second for each number of sequences, by llama-batched-bench: prompts of 16 tokens, then so many tokens each. */
export async function theirDecodeSpeeds(
  context: BenchContext,
  run: TheirRun,
  { sequences, tokens, passes }: { readonly sequences: readonly number[]; readonly tokens: number; readonly passes: number },
): Promise<ReadonlyMap<number, number>> {
  const counts = Array.from({ length: passes }, () => sequences).flat();
  const flags = {
    "-m": run.modelFile,
    "-c": run.contextLength * run.slots,
    "-npp": 16,
    "-ntg": tokens,
    "-npl": counts.join(","),
    "-t": run.threads,
    "-tb": run.threads,
    "--output-format": "jsonl",
  };
  const output = await tool(context, "llama-batched-bench", flags);
  const speeds = new Map<number, readonly number[]>();
  for (const line of output.split("\n").filter((text) => text.startsWith("{"))) {
    const { pl, speed_tg: speed } = numbersOf(JSON.parse(line));
    if (pl !== undefined && speed !== undefined) speeds.set(pl, [...(speeds.get(pl) ?? []), speed]);
  }
  return medians(speeds);
}

/** Prompt tokens per second for each prompt length, by llama-bench, after its own warm-up. */
export async function theirPrefillSpeeds(
  context: BenchContext,
  run: TheirRun,
  { lengths, passes }: { readonly lengths: readonly number[]; readonly passes: number },
): Promise<ReadonlyMap<number, number>> {
  const flags = { "-m": run.modelFile, "-t": run.threads, "-p": lengths.join(","), "-n": 0, "-r": passes, "-o": "json" };
  const rows: unknown = JSON.parse(await tool(context, "llama-bench", flags));
  const speeds = new Map<number, readonly number[]>();
  for (const row of Array.isArray(rows) ? rows : []) {
    const { n_prompt: length } = numbersOf(row);
    if (length !== undefined) speeds.set(length, samplesOf(row));
  }
  return medians(speeds);
}

async function tool(
  context: BenchContext,
  name: "llama-batched-bench" | "llama-bench",
  flags: Readonly<Record<string, string | number>>,
): Promise<string> {
  const peer = await context.peer();
  return await runTool(peer.tool(name), Object.entries(flags).flat().map(String), { signal: context.signal, limitMs: LIMIT_MS });
}

const medians = (speeds: ReadonlyMap<number, readonly number[]>): ReadonlyMap<number, number> =>
  new Map([...speeds].map(([key, values]) => [key, median(values)]));

function numbersOf(value: unknown): Readonly<Record<string, number | undefined>> {
  const entries = typeof value === "object" && value !== null ? Object.entries(value) : [];
  return Object.fromEntries(entries.filter(([, field]) => typeof field === "number"));
}

function samplesOf(row: unknown): readonly number[] {
  const samples = typeof row === "object" && row !== null && "samples_ts" in row ? row.samples_ts : undefined;
  return Array.isArray(samples) ? samples.filter((sample) => typeof sample === "number") : [];
}
