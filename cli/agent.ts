/** `nereid agent`: the agent of one machine in a cluster that meets over NATS. It is there before NATS and the gateways are. */
import { availableParallelism, homedir, hostname, totalmem } from "node:os";
import path from "node:path";
import type { PeerNames } from "../core/certificate-names.ts";
import { systemClock } from "../core/clock.ts";
import { ServingError } from "../core/errors.ts";
import { nodeId } from "../core/ids.ts";
import { systemRandom } from "../core/random.ts";
import { ModelSources } from "../core/repository/model-sources.ts";
import { readSettings, type SettingsOf, type SettingsSource } from "../core/settings.ts";
import { RedisConnection } from "../core/store/redis-connection.ts";
import { redisSequenceStore } from "../core/store/sequences/redis.ts";
import type { Logger } from "../core/telemetry/logger.ts";
import { createMetrics } from "../core/telemetry/metrics.ts";
import { isLoopback } from "../core/wire/address.ts";
import type { AgentDeps } from "../node-agent/agent.ts";
import { cacheFolders } from "./cache.ts";
import { clusterNetwork, reachableHost } from "./cluster-network.ts";
import { News } from "./news.ts";
import { openJournal } from "./open-journal.ts";
import { configReading } from "./settings/repository-settings.ts";
import { AGENT_SETTINGS } from "./settings/settings-tables.ts";
import { stopped, stopSignal } from "./stop.ts";
import { exportingTracer, loggers, withCollector } from "./telemetry.ts";

type AgentSettings = SettingsOf<typeof AGENT_SETTINGS>;

/** Returns when it was stopped by a signal and what ran has been answered. @throws ServingError that says what to do */
export async function agent(source: SettingsSource): Promise<void> {
  const settings = readSettings(AGENT_SETTINGS, source);
  const { host, port, advertiseHost = reachableHost(host), responseCacheBytes, drainMs } = settings;
  const { resumableGenerations, resumableBytes } = settings;
  checkExposure(settings);
  const node = nodeId(settings.node ?? hostname());
  const folders = cacheFolders(settings, source.environment, homedir());
  using stop = stopSignal(systemClock, source.environment);
  const { startAgent } = await import("../node-agent/run.ts");
  await using stack = new AsyncDisposableStack();
  const { logger } = loggers(settings);
  const metrics = stack.use(createMetrics());
  const listen = { host, port, advertiseHost, dialers: gatewayNames(settings) };
  const { bus, links, tls } = await clusterNetwork(settings, { name: `nereid agent ${node}`, logger, listen }, stack);
  const uploadsFolder = path.join(folders.shards, "uploads");
  const sources = new ModelSources({
    repositoryFolders: folders.repositories,
    uploadsFolder,
    fetchedBytesMax: settings.fetchedBytes,
    logger,
    random: systemRandom,
    reading: configReading(settings),
  });
  const tracer = await exportingTracer(withCollector(settings, source), logger, stack);
  const started = await startAgent(
    {
      node,
      stages: { host, advertiseHost, tls },
      cacheFolder: folders.shards,
      standbyRunners: settings.standbyRunners,
      python: settings.python,
      responseCacheBytes,
      responseCacheAgeMs: settings.responseCacheAgeMs,
      resumableGenerations,
      resumableBytes,
      scheduling: settings,
      labels: settings.labels,
      threads: availableParallelism(),
      memory: () => ({ totalBytes: totalmem(), freeBytes: process.availableMemory() }),
    },
    { bus, links, sources, ...(await stores(settings, logger, stack)), clock: systemClock, random: systemRandom, logger, metrics, tracer },
    stack,
  );
  const news = new News(process.stdout);
  if (settings.metricsPort !== undefined) {
    const { startMetricsServer } = await import("../gateway/metrics/metrics-server.ts");
    const metricsText = () => metrics.metricsText();
    const server = stack.use(await startMetricsServer({ host, port: settings.metricsPort, clock: systemClock, metricsText }));
    news.say("metrics", `http://${host}:${server.port}/metrics`);
  }
  news.say("node", `${node} at ${started.address}`);
  const sayBus = () =>
    news.say("NATS", bus.connected ? "connected" : `waiting for ${settings.natsUrl.map((url) => new URL(url).host).join(", ")}`);
  bus.onConnection(sayBus);
  sayBus();
  await stopped(stop.signal);
  news.say("agent", "stopping");
  await started.drain(drainMs).catch((thrown: unknown) => {
    logger.warn({ err: ServingError.from(thrown) }, "what still runs is ended");
  });
  started.retire();
}

/** The store outlives the node: every step of a sequence is kept, unless a model says otherwise. */
async function stores(
  settings: AgentSettings,
  logger: Logger,
  stack: AsyncDisposableStack,
): Promise<Pick<AgentDeps, "sequences" | "journal">> {
  const { redisUrl: url } = settings;
  const connection = url === undefined ? undefined : stack.use(new RedisConnection({ url }, { random: systemRandom, logger }));
  const journal = await openJournal(settings, connection);
  if (connection === undefined) return {};
  return {
    sequences: { store: redisSequenceStore(connection), durability: { kind: "sync" } },
    journal: journal && { ...journal, byDefault: settings.journal === "on" },
  };
}

/** @throws ServingError FAILED_PRECONDITION when there are names and no certificates that could have them */
function gatewayNames({ gatewayNames: patterns, linkTlsCa }: AgentSettings): PeerNames | undefined {
  if (patterns === undefined) return undefined;
  if (linkTlsCa !== undefined) return { patterns, setting: "--gateway-names" };
  const remedy = "give --link-tls-ca, --link-tls-cert and --link-tls-key";
  throw new ServingError("FAILED_PRECONDITION", `--gateway-names are of certificates, and links have none: ${remedy}`);
}

/** @throws ServingError FAILED_PRECONDITION when other machines would reach what talks in clear, and nobody has said that this is meant */
function checkExposure({ host, insecure, linkTlsCa, metricsPort }: AgentSettings): void {
  if (isLoopback(host) || insecure || (linkTlsCa !== undefined && metricsPort === undefined)) return;
  const [what, remedy] =
    linkTlsCa === undefined
      ? ["stages and links talk", "give --link-tls-ca, --link-tls-cert and --link-tls-key"]
      : ["--metrics-port talks", "leave it out"];
  const others = "keep it in a network of its own and say --insecure, or listen on 127.0.0.1";
  throw new ServingError("FAILED_PRECONDITION", `${host} can be reached from other machines, and ${what} in clear: ${remedy}, ${others}`, {
    reason: "exposed",
  });
}
