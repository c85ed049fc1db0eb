/** `nereid up` with the real model, in a process of its own and on free ports: what people run. */
import path from "node:path";
import { commandLine, familyOf } from "../../bench/processes.ts";
import { MAIN, start } from "../engine/cli/command.ts";
import { realModelFolder } from "./real-model.ts";
import type { ShardCache } from "./replica.ts";

export const MODEL = path.basename(realModelFolder());

export interface RunningCluster extends AsyncDisposable {
  /** `http://HOST:PORT`. */
  readonly url: string;
  /** The sum over nodes and models of a metric without buckets; 0 when it was never set. */
  metric(name: string): Promise<number>;
  /** What /metrics says. */
  metrics(): Promise<string>;
  /** Ends it. @returns what it has logged */
  stop(): Promise<string>;
  /** Of GET /v2/health/ready. */
  readyStatus(): Promise<number>;
  /** Linux. */
  runnerPids(): readonly number[];
  /** The state of each stage's shard, the first stage's first. */
  stageStates(): Promise<readonly string[]>;
}

export interface ClusterFlags {
  /** A stage on each; 2 unless said. */
  readonly nodes?: number;
  readonly slots?: number;
  /** Others, as on the command line. */
  readonly flags?: Readonly<Record<string, string>>;
  /** Added to the command's, and to what that starts. */
  readonly environment?: Readonly<Record<string, string>>;
}

/** Resolves when the model is ready. Shards are cut into `cache`, or taken from there. */
export async function startRealCluster(
  cache: ShardCache,
  { nodes = 2, slots = 8, flags: others = {}, environment = {} }: ClusterFlags = {},
): Promise<RunningCluster> {
  const flags = {
    "--port": "0",
    "--grpc-port": "0",
    "--metrics-port": "0",
    "--models": path.dirname(realModelFolder()),
    "--cache": cache.folder,
    "--nodes": String(nodes),
    "--slots": String(slots),
    "--threads": "1",
    "--log-level": "silent",
    ...others,
  };
  const command = start([MAIN, "up", ...Object.entries(flags).flat()], environment);
  const said = await command.printed("Ctrl-C\n");
  const address = (label: string): string => new RegExp(`${label} +(http://[^ /]+)`).exec(said)?.[1] ?? "";
  const url = address("HTTP");
  const metricsUrl = address("metrics");
  const metrics = async () => (await fetch(`${metricsUrl}/metrics`)).text();
  const stop = async () => {
    command.child.kill("SIGINT"); // killed, it could not remove its sockets
    return (await command.ended).stderr;
  };
  return {
    url,
    metric: async (name) => sumOf(await metrics(), name),
    metrics,
    stop,
    readyStatus: async () => (await fetch(`${url}/v2/health/ready`)).status,
    runnerPids: () => shardRunners(command.child.pid),
    stageStates: async () => statesOf(JSON.parse(await (await fetch(`${url}/console/state`)).text())),
    [Symbol.asyncDispose]: async () => {
      await stop();
    },
  };
}

/** @param text in Prometheus's form */
function sumOf(text: string, name: string): number {
  const samples = text.matchAll(new RegExp(`^${name}(?:\\{[^}]*\\})? (\\S+)$`, "gm"));
  return [...samples].reduce((sum, [, value]) => sum + Number(value), 0);
}

/** What we read of the console's state. */
interface ClusterState {
  readonly models: readonly { readonly shards: readonly { readonly stage: number; readonly state: string }[] }[];
}

function statesOf({ models }: ClusterState): readonly string[] {
  const shards = models.flatMap((model) => model.shards);
  return shards.toSorted((a, b) => a.stage - b.stage).map(({ state }) => state);
}

/** Children that hold a shard: standbys and the partitioner have other titles. */
export function shardRunners(pid: number | undefined): readonly number[] {
  if (pid === undefined) return [];
  return familyOf(pid).filter((id) => commandLine(id)?.join(" ").startsWith("nereid shard "));
}
