/** `npm run bench -- SUITE [PART …]`: measures this program beside its peers and prints the figures with the machine and the commit. */
import { homedir } from "node:os";
import { cacheFolders, modelFile } from "../cli/cache.ts";
import { endProcess } from "../cli/exit.ts";
import { DEFAULT_MODEL, PULL_SETTINGS } from "../cli/settings/settings-tables.ts";
import { stopSignal } from "../cli/stop.ts";
import { systemClock } from "../core/clock.ts";
import { ServingError } from "../core/errors.ts";
import { readSettings } from "../core/settings.ts";
import { createLogger } from "../core/telemetry/logger.ts";
import { HOPS_REQUESTS_PART } from "./cluster/requests.ts";
import { SUBMITS_PART } from "./cluster/submits.ts";
import { HOPS_TOKENS_PART } from "./cluster/tokens.ts";
import { type BenchCall, helpText, parseBenchCall } from "./command-line.ts";
import type { BenchContext, BenchPart } from "./context.ts";
import { SERVER_PART } from "./llm/chats-against-llama-server.ts";
import { ENGINE_PARTS } from "./llm/engine-against-llama.ts";
import { GATEWAY_PART } from "./llm/gateway.ts";
import { LOAD_PART } from "./llm/load.ts";
import { PREFIX_PART } from "./llm/prefix.ts";
import { STAGES_PART } from "./llm/stages.ts";
import { START_PART } from "./llm/start.ts";
import { WIRE_PART } from "./llm/wire.ts";
import { describeMachine, machineText } from "./machine.ts";
import { type LlamaCpp, llamaCpp } from "./peers/llama-cpp.ts";
import { type TritonServer, tritonServer } from "./peers/tritonserver.ts";
import { type PartResult, writeResults } from "./results.ts";
import { GENERATORS_PART } from "./small/generators.ts";
import { LOADING_PART } from "./small/loading.ts";
import { BATCHING_PART, ECHO_PART, LARGE_PART, REQUESTS_PART } from "./small/parts.ts";

const SUITES = {
  llm: [...ENGINE_PARTS, SERVER_PART, STAGES_PART, PREFIX_PART, GATEWAY_PART, LOAD_PART, START_PART, WIRE_PART],
  small: [REQUESTS_PART, LARGE_PART, ECHO_PART, BATCHING_PART, GENERATORS_PART, LOADING_PART],
  cluster: [HOPS_REQUESTS_PART, HOPS_TOKENS_PART, SUBMITS_PART],
};

type Run = Extract<BenchCall<BenchPart>, { readonly kind: "run" }>;

async function main(): Promise<void> {
  const call = parseBenchCall(process.argv.slice(2), SUITES);
  if (call.kind === "help") {
    process.stdout.write(helpText(SUITES));
    return;
  }
  using stop = stopSignal(systemClock, process.env);
  await bench(call, stop.signal);
}

async function bench(call: Run, signal: AbortSignal): Promise<void> {
  const peers: { llamaCpp?: Promise<LlamaCpp>; triton?: Promise<TritonServer> } = {};
  const context = benchContext(call, signal, {
    peer: (cacheFolder) => {
      peers.llamaCpp ??= llamaCpp(cacheFolder, say, signal);
      return peers.llamaCpp;
    },
    triton: (cacheFolder) => {
      peers.triton ??= tritonServer(cacheFolder, say, signal);
      return peers.triton;
    },
  });
  const machine = await describeMachine(signal);
  const { suite, rounds, json } = call;
  say(
    `${machineText(machine)}\n${suite}: ${call.parts.map(({ name }) => name).join(", ")}; rounds: ${rounds}, medians [smallest..largest]`,
  );
  const parts: PartResult[] = [];
  for (const part of call.parts) {
    parts.push({ part: part.name, rows: await part.run(context) });
    if (json === undefined) continue;
    // After each part, so that what was measured outlives a run that is stopped.
    say(
      `written to ${await writeResults(json, { machine, suite, rounds, peer: (await (peers.llamaCpp ?? peers.triton))?.version, parts })}`,
    );
  }
}

interface Peers {
  readonly peer: (cacheFolder: string) => Promise<LlamaCpp>;
  readonly triton: (cacheFolder: string) => Promise<TritonServer>;
}

function benchContext(call: Run, signal: AbortSignal, { peer, triton }: Peers): BenchContext {
  const folders = cacheFolders(readSettings(PULL_SETTINGS, { flags: [], environment: process.env }), process.env, homedir());
  return {
    model: DEFAULT_MODEL,
    modelFile: modelFile(folders, DEFAULT_MODEL),
    cacheRoot: folders.root,
    folders: { repositoryFolder: folders.models, cacheFolder: folders.shards },
    peer: () => peer(folders.root),
    triton: () => triton(folders.root),
    rounds: call.rounds,
    threads: call.threads,
    logger: createLogger({ level: "warn", form: "readable" }),
    signal,
    say,
  };
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

await main().catch((thrown: unknown) => endProcess(thrown, { verbose: !(thrown instanceof ServingError) }));
process.exit(); // all that was started is closed; what is left are timers that would only keep the terminal waiting
