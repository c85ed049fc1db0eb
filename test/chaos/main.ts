/**
 * `npm run chaos -- [SEED]`: kills real processes of real clusters while streams run, and prints a line per promise: how often, what
 * it came to, what the limit is, and the seed. Ends with 1 when a promise is broken.
 */
import { systemClock } from "../../core/clock.ts";
import type { Random } from "../../core/random.ts";
import { WITHOUT_END } from "../cluster/completion-client.ts";
import { type RunningCluster, startRealCluster } from "../support/cluster.ts";
import { isReady, MODEL, ProcessCluster } from "../support/process-cluster.ts";
import { shardCache } from "../support/replica.ts";
import { type KillReport, killedStreams } from "./killed-streams.ts";
import { untilHolds } from "./until-holds.ts";
import { difference, longestGapMs, watchedStream } from "./watched-stream.ts";

const seed = BigInt(process.argv[2] ?? 1);
const common = { model: MODEL, clock: systemClock, streams: 8, tokens: 80, kills: 4, seed };
const AGENT_KILLS = 3;
let failed = 0;

function say(promise: string, holds: boolean, figures: string): void {
  if (!holds) failed += 1;
  process.stdout.write(`${promise.padEnd(28)} ${holds ? "PASS" : "FAIL"} ${figures} seed=${seed}\n`);
}

function sayKills(promise: string, wanted: number, { kills, tokens, lost, more, other, errors, gapsMs }: KillReport): void {
  const holds = kills === wanted && lost === 0 && more === 0 && other === 0 && errors.length === 0;
  const [p50, max] = [gapsMs[Math.floor(gapsMs.length / 2)], gapsMs.at(-1)].map((ms) => ms?.toFixed(0));
  say(
    promise,
    holds,
    `n=${kills}/${wanted} tokens=${tokens} lost=${lost} dup=${more} diff=${other} failed=${errors.length} limit=0 gap_ms p50=${p50} max=${max}`,
  );
  for (const error of new Set(errors)) process.stdout.write(`  ${error}\n`);
}

function oneOf<Item>(items: readonly Item[], random: Random): Item {
  const item = items[Math.floor(random.next() * items.length)];
  if (item === undefined) throw new Error("there is nothing to kill");
  return item;
}

async function runners(cluster: RunningCluster): Promise<void> {
  const kill = async (random: Random) => {
    process.kill(oneOf(cluster.runnerPids(), random), "SIGKILL");
    await untilHolds(async () => !(await isReady(cluster.url)));
    await untilHolds(() => isReady(cluster.url));
  };
  sayKills("P1 kill9-runner-streams", common.kills, await killedStreams({ ...common, url: cluster.url, kill }));
}

/** How long one stream pauses that has emitted so many tokens when a runner is killed. */
async function pauses(cluster: RunningCluster): Promise<void> {
  for (const emitted of [10, 100, 1_000]) {
    const fields = { ...WITHOUT_END, prompt: "Once upon a time", max_tokens: emitted + 20 };
    const at = { url: cluster.url, model: MODEL, clock: systemClock };
    const wanted = await watchedStream(at, fields);
    const [pid] = cluster.runnerPids();
    const seen = await watchedStream(at, fields, (count) => count === emitted && pid !== undefined && process.kill(pid, "SIGKILL"));
    const { lost, more, other } = difference(wanted, seen);
    const holds = lost + more + other === 0 && seen.error === undefined;
    say(`P1 pause-after-${emitted}`, holds, `n=1 lost=${lost} dup=${more} diff=${other} limit=0 gap_ms=${longestGapMs(seen).toFixed(0)}`);
    await untilHolds(() => isReady(cluster.url));
  }
}

/** Agents as processes of their own; each comes back half a second after its death. */
async function agents(cluster: ProcessCluster): Promise<void> {
  const gateway = cluster.gateway();
  const nodes = new Map(["node-1", "node-2"].map((node) => [node, cluster.agent(node)]));
  const url = await gateway.url;
  await untilHolds(() => isReady(url));
  const kill = async (random: Random) => {
    const node = oneOf([...nodes.keys()], random);
    nodes.get(node)?.child.kill("SIGKILL");
    await nodes.get(node)?.ended;
    nodes.set(node, cluster.agent(node));
    await untilHolds(async () => !(await isReady(url)));
    await untilHolds(() => isReady(url));
  };
  sayKills("P1 kill9-agent-streams", AGENT_KILLS, await killedStreams({ ...common, kills: AGENT_KILLS, url, kill }));
}

await using cache = await shardCache();
{
  await using cluster = await startRealCluster(cache);
  await runners(cluster);
  await pauses(cluster);
}
{
  await using cluster = await ProcessCluster.start({ cache });
  await agents(cluster);
}
process.exitCode = failed === 0 ? 0 : 1;
