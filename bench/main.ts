/** `npm run bench -- SUITE [PART …]`: measures this program beside its peers and prints the figures with the machine and the commit. */
import { mkdir, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { cacheFolders, modelFile } from "../cli/cache.ts";
import { endProcess } from "../cli/exit.ts";
import { DEFAULT_MODEL, PULL_SETTINGS } from "../cli/settings-tables.ts";
import { stopSignal } from "../cli/stop.ts";
import { systemClock } from "../core/clock.ts";
import { readSettings } from "../core/settings.ts";
import { createLogger } from "../core/telemetry/logger.ts";
import { type BenchCall, helpText, parseBenchCall } from "./command-line.ts";
import type { BenchContext, BenchPart } from "./context.ts";
import { ENGINE_PARTS } from "./llm/engine-against-llama.ts";
import { STAGES_PART } from "./llm/stages.ts";
import { describeMachine, type Machine, machineText } from "./machine.ts";
import { type LlamaCpp, llamaCpp } from "./peers/llama-cpp.ts";
import { goalIsMet, median, type Row, ratios } from "./table.ts";

const SUITES = { llm: [...ENGINE_PARTS, STAGES_PART] };
const RESULTS = fileURLToPath(new URL("results", import.meta.url));

const say = (line: string): void => {
  process.stdout.write(`${line}\n`);
};

type Run = Extract<BenchCall<BenchPart>, { readonly kind: "run" }>;

async function bench(call: Run): Promise<void> {
  using stop = stopSignal(systemClock, process.env);
  const { signal } = stop;
  const machine = await describeMachine(signal);
  const parts = call.parts.map(({ name }) => name).join(", ");
  say(`${machineText(machine)}\n${call.suite}: ${parts}; ${call.rounds} rounds in turn, medians [smallest..largest]`);
  const results: PartResult[] = [];
  for (const part of call.parts) {
    results.push({ part: part.name, rows: await part.run(benchContext(call, signal)) });
    if (call.json !== undefined) await writeResults(call.json, machine, call, results);
  }
}

interface PartResult {
  readonly part: string;
  readonly rows: readonly Row[];
}

function benchContext(call: Run, signal: AbortSignal): BenchContext {
  const folders = cacheFolders(readSettings(PULL_SETTINGS, { flags: [], environment: process.env }), process.env, homedir());
  return {
    model: DEFAULT_MODEL,
    modelFile: modelFile(folders, DEFAULT_MODEL),
    folders: { repositoryFolder: folders.models, cacheFolder: folders.shards },
    peer: () => {
      peer ??= llamaCpp(folders.root, say, signal);
      return peer;
    },
    rounds: call.rounds,
    threads: call.threads,
    logger: createLogger({ level: "warn", form: "readable" }),
    signal,
    say,
  };
}

let peer: Promise<LlamaCpp> | undefined;

/** After each part, so that what was measured outlives a run that is stopped. */
async function writeResults(name: string, machine: Machine, call: Run, results: readonly PartResult[]): Promise<void> {
  const file = path.dirname(name) === "." ? path.join(RESULTS, name) : path.resolve(name);
  await mkdir(path.dirname(file), { recursive: true });
  const withRatio = (row: Row) => ({ ...row, median: median(row.ours), ratio: median(ratios(row)), met: goalIsMet(row) });
  const parts = results.map(({ part, rows }) => ({ part, rows: rows.map(withRatio) }));
  const peerVersion = (await peer)?.version;
  await writeFile(file, `${JSON.stringify({ machine, suite: call.suite, rounds: call.rounds, peer: peerVersion, parts }, undefined, 2)}\n`);
  say(`  written to ${file}`);
}

const call = ((): BenchCall<BenchPart> | undefined => {
  try {
    return parseBenchCall(process.argv.slice(2), SUITES);
  } catch (thrown) {
    endProcess(thrown, { verbose: false });
    return undefined;
  }
})();
if (call?.kind === "help") process.stdout.write(helpText(SUITES));
else if (call !== undefined) await bench(call).catch((thrown: unknown) => endProcess(thrown, { verbose: true }));
