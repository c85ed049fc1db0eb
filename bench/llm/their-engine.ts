/** The peer's side of a round: llama.cpp's own benchmark programs. */
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import type { LlamaCpp } from "../peers/llama-cpp.ts";

const run = promisify(execFile);
const OUTPUT_BYTES_MAX = 2 ** 26;

/** Tokens per second of decode for each number of sequences, by llama-batched-bench. */
export async function theirDecodeSpeeds(
  peer: LlamaCpp,
  modelFile: string,
  threads: number,
  sequences: readonly number[],
  tokens: number,
): Promise<ReadonlyMap<number, number>> {
  const { stdout } = await run(
    peer.tool("llama-batched-bench"),
    [
      "-m",
      modelFile,
      "-c",
      "8192",
      "-npp",
      "16",
      "-ntg",
      String(tokens),
      "-npl",
      sequences.join(","),
      "-t",
      String(threads),
      "-tb",
      String(threads),
      "--output-format",
      "jsonl",
    ],
    { maxBuffer: OUTPUT_BYTES_MAX },
  );
  const speeds = new Map<number, number>();
  for (const line of stdout.split("\n")) {
    if (!line.startsWith("{")) continue;
    const { pl, speed_tg: speed } = JSON.parse(line) as { pl?: unknown; speed_tg?: unknown };
    if (typeof pl === "number" && typeof speed === "number") speeds.set(pl, speed);
  }
  if (speeds.size !== sequences.length)
    throw new Error(`llama-batched-bench printed ${speeds.size} of ${sequences.length} rows:\n${stdout}`);
  return speeds;
}

/** Prompt tokens per second for each prompt length, by llama-bench (its own warm-up, one repetition). */
export async function theirPrefillSpeeds(
  peer: LlamaCpp,
  modelFile: string,
  threads: number,
  lengths: readonly number[],
): Promise<ReadonlyMap<number, number>> {
  const { stdout } = await run(
    peer.tool("llama-bench"),
    ["-m", modelFile, "-t", String(threads), "-p", lengths.join(","), "-n", "0", "-r", "1", "-o", "json"],
    {
      maxBuffer: OUTPUT_BYTES_MAX,
    },
  );
  const rows = JSON.parse(stdout) as readonly { readonly n_prompt: number; readonly avg_ts: number }[];
  return new Map(rows.map((row) => [row.n_prompt, row.avg_ts]));
}
