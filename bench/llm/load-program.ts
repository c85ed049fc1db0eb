/**
 * A cluster of one gateway and two nodes that loads its model, uses it and unloads it, again and again, and says on its standard
 * output what it is at: `phase NAME …`. Whoever started it watches its memory. Arguments: repository folder, shard folder, model, loads.
 */

import { cpus, totalmem } from "node:os";
import path from "node:path";
import { MemoryBroker } from "../../core/bus/memory.ts";
import { sleep, systemClock } from "../../core/clock.ts";
import { modelName, nodeId, replicaId } from "../../core/ids.ts";
import { MemoryLinks } from "../../core/link/memory.ts";
import { systemRandom } from "../../core/random.ts";
import { ModelSources } from "../../core/repository/model-sources.ts";
import { createLogger } from "../../core/telemetry/logger.ts";
import { createMetrics } from "../../core/telemetry/metrics.ts";
import { socketWire } from "../../core/wire/socket.ts";
import type { DesiredReplica } from "../../gateway/placement/desired.ts";
import { type Gateway, type GatewayOptions, startGateway } from "../../gateway/run.ts";
import { Agent } from "../../node-agent/agent.ts";
import { partitionerCutter } from "../../node-agent/models/partitioner-cutter.ts";
import { modelProcesses } from "../../node-agent/runners/model-process.ts";
import { processRunners } from "../../node-agent/runners/process.ts";
import { chatClient } from "./chat-client.ts";
import { chatPrompts } from "./chat-prompts.ts";

const NODES = 2;
const CHATS = 8;
const TOKENS = 32;
/** How long a phase that is measured stays as it is. */
const SETTLE_MS = 1_500;

const [repositoryFolder = "", cacheFolder = "", model = "", loads = "1"] = process.argv.slice(2);

async function run(signal: AbortSignal): Promise<void> {
  await using stack = new AsyncDisposableStack();
  let desired: readonly DesiredReplica[] = [];
  const gateway = await startNodes(stack, () => desired);
  for (let load = 0; load < Number(loads); load++) {
    await phase("idle", signal);
    say("phase loading");
    const beganMs = performance.now();
    desired = [desiredReplica()];
    await until(gateway, () => gateway.models.list()[0]?.readiness.kind === "ready");
    await phase(`loaded ${performance.now() - beganMs}`, signal);
    say("phase using");
    using client = chatClient(gateway.httpAddress, model);
    const prompts = chatPrompts(CHATS, load);
    await client.chats(
      prompts.map((prompt) => ({ prompt, tokensMax: TOKENS })),
      signal,
    );
    await phase("used", signal);
    say("phase unloading");
    desired = [];
    await until(gateway, () => gateway.models.list().length === 0);
    await phase("unloaded", signal);
  }
}

/** As embedded/cluster.ts composes it, but for what is desired: that changes here. */
async function startNodes(stack: AsyncDisposableStack, desired: () => readonly DesiredReplica[]): Promise<Gateway> {
  const broker = new MemoryBroker({ clock: systemClock });
  const links = new MemoryLinks({ clock: systemClock, random: systemRandom });
  const logger = createLogger({ level: "warn", form: "readable" });
  const shared = { clock: systemClock, random: systemRandom, metrics: createMetrics(), logger };
  const options: GatewayOptions = {
    host: "127.0.0.1",
    port: 0,
    metricsPort: 0,
    version: "bench",
    modelControl: "off",
    get desired() {
      return desired();
    },
  };
  const sources = new ModelSources({ repositoryFolder, uploadsFolder: path.join(cacheFolder, "uploads"), random: systemRandom });
  const gateway = stack.use(await startGateway(options, { ...shared, sources, bus: stack.use(broker.connect()), links }));
  const runners = processRunners({ logger });
  const cutter = partitionerCutter({ repositoryFolder, cacheFolder });
  const memory = () => ({ totalBytes: totalmem() / NODES, freeBytes: process.availableMemory() / NODES });
  for (let index = 1; index <= NODES; index++) {
    const [wire, bus] = [stack.use(await socketWire({})), stack.use(broker.connect())];
    const own = { node: nodeId(`node-${index}`), bus, links, wire, runners, cutter, sources, cpu: cpus()[0]?.model ?? "", memory };
    stack.use(await Agent.start({ ...shared, ...own, modelRunners: modelProcesses({ logger }), cacheBytes: 0 }));
  }
  return gateway;
}

function desiredReplica(): DesiredReplica {
  const name = modelName(model);
  const shape = { stages: NODES, quantization: "native", slots: CHATS, contextLength: undefined, threads: 1, nodesMin: NODES } as const;
  return { replica: replicaId(name, "1", 0), model: name, version: "1", ...shape };
}

function until(gateway: Gateway, holds: () => boolean): Promise<void> {
  return new Promise((resolve) => {
    const look = () => {
      if (!holds()) return;
      unwatch();
      resolve();
    };
    const unwatch = gateway.onChange(look);
    look();
  });
}

async function phase(name: string, signal: AbortSignal): Promise<void> {
  say(`phase ${name}`);
  await sleep(systemClock, SETTLE_MS, signal);
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

const stop = new AbortController();
process.once("SIGTERM", () => stop.abort(new Error("stopped")));
await run(stop.signal);
process.stdout.write("phase over\n");
