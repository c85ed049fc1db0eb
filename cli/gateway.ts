/** `nereid gateway`: a gateway of a cluster that meets over NATS. It is there before NATS and the agents are, and says what it waits for. */
import { mkdir, stat } from "node:fs/promises";
import { homedir } from "node:os";
import path from "node:path";
import { sleep, systemClock } from "../core/clock.ts";
import { ServingError } from "../core/errors.ts";
import { systemRandom } from "../core/random.ts";
import { ModelSources } from "../core/repository/model-sources.ts";
import { readSettings, type SettingsOf, type SettingsSource } from "../core/settings.ts";
import { redisGenerationStore } from "../core/store/generations/redis.ts";
import { MemoryPlacementStore } from "../core/store/placement/memory.ts";
import { OTHERS_PLACE } from "../core/store/placement/placement-lease.ts";
import { redisPlacementLease, redisWantedModels } from "../core/store/placement/redis.ts";
import { redisQuotaStore } from "../core/store/quotas/redis.ts";
import { RedisConnection } from "../core/store/redis-connection.ts";
import type { Logger } from "../core/telemetry/logger.ts";
import { createMetrics } from "../core/telemetry/metrics.ts";
import { VERSION } from "../core/version.ts";
import type { GatewayDeps } from "../gateway/gateway-options.ts";
import type { Gateway } from "../gateway/run.ts";
import { cacheFolders } from "./cache.ts";
import { clusterNetwork } from "./cluster-network.ts";
import { News } from "./news.ts";
import { openJournal } from "./open-journal.ts";
import { replicaRange } from "./settings/replica-settings.ts";
import { configReading } from "./settings/repository-settings.ts";
import { GATEWAY_SETTINGS } from "./settings/settings-tables.ts";
import { stopped, stopSignal } from "./stop.ts";
import { exportingTracer, loggers, withCollector } from "./telemetry.ts";

type GatewaySettings = SettingsOf<typeof GATEWAY_SETTINGS>;

const MODEL_VERSION = "1";

/** Returns when it was stopped by a signal and what ran has been answered. @throws ServingError that says what to do */
export async function gateway(source: SettingsSource): Promise<void> {
  const settings = readSettings(GATEWAY_SETTINGS, source);
  const folders = cacheFolders(settings, source.environment, homedir());
  using stop = stopSignal(systemClock, source.environment);
  const [{ startGateway }, { presetModel }] = await Promise.all([
    import("../gateway/run.ts"),
    import("../gateway/placement/preset-model.ts"),
  ]);
  for (const folder of folders.repositories) await repositoryThere(folder, settings);
  await using stack = new AsyncDisposableStack();
  const { logger, ...logs } = loggers(settings);
  const metrics = stack.use(createMetrics());
  const { bus, links } = await clusterNetwork(settings, { name: "nereid gateway", logger }, stack);
  const model = settings.model === "none" ? undefined : settings.model;
  const uploadsFolder = path.join(folders.shards, "uploads");
  const sources = new ModelSources({
    repositoryFolders: folders.repositories,
    uploadsFolder,
    random: systemRandom,
    reading: configReading(settings),
  });
  const telemetry = withCollector(settings, source);
  const started = stack.use(
    await startGateway(
      {
        ...settings,
        doors: settings,
        closeGraceMs: settings.drainMs,
        telemetry,
        presets: model === undefined ? [] : [presetModel(model, MODEL_VERSION, languageSettings(settings), replicaRange(settings))],
        modelControl: settings.modelControlMode,
        nodesMin: settings.nodes ?? (model === undefined ? 0 : settings.stages),
        version: VERSION,
      },
      {
        ...(await stores(settings, logger, stack)),
        bus,
        links,
        sources,
        clock: systemClock,
        random: systemRandom,
        logger,
        ...logs,
        metrics,
        tracer: await exportingTracer(telemetry, logger, stack),
      },
    ),
  );
  const news = new News(process.stdout);
  sayAddresses(news, started);
  const sayBus = () =>
    news.say("NATS", bus.connected ? "connected" : `waiting for ${settings.natsUrl.map((url) => new URL(url).host).join(", ")}`);
  bus.onConnection(sayBus);
  sayBus();
  started.onChange(() => sayModels(news, started));
  started.loaded
    .then((failures) => {
      for (const err of failures) logger.error({ err }, "a model of the repository cannot be loaded");
    })
    .catch((err: unknown) => {
      if (!stop.signal.aborted) logger.error({ err }, "the repository cannot be read");
    });
  await stopped(stop.signal);
  started.announceStop();
  news.say("gateway", "stopping");
  await sleep(systemClock, settings.stopDelayMs, new AbortController().signal);
}

function sayAddresses(news: News, { httpAddress, grpcAddress, metricsAddress }: Gateway): void {
  if (httpAddress !== undefined) news.say("HTTP", httpAddress);
  if (grpcAddress !== undefined) news.say("gRPC", grpcAddress);
  if (metricsAddress !== undefined) news.say("metrics", `${metricsAddress}/metrics`);
}

function sayModels(news: News, { models }: Gateway): void {
  for (const { name, readiness } of models.list()) {
    if (readiness.kind === "ready") news.say(`model ${name}`, "ready");
    else news.say(`model ${name}`, readiness.kind === "failed" ? `failed: ${readiness.reason}` : "loading");
  }
}

/** @throws ServingError NOT_FOUND when a folder was named that is not there. */
async function repositoryThere(folder: string, { models }: GatewaySettings): Promise<void> {
  if (models === undefined) await mkdir(folder, { recursive: true });
  else if (!(await stat(folder).catch(() => undefined))?.isDirectory())
    throw new ServingError("NOT_FOUND", `there is no folder ${folder}: give --models the model repository`);
}

function languageSettings({ stages, quantization, slots, contextLength = 0, threads = 0, prefixCacheTokens }: GatewaySettings) {
  return { stages, quantization, slots, contextLength, threads, ...(prefixCacheTokens !== undefined && { prefixCacheTokens }) };
}

/** Gateways of one Redis agree; without one this gateway is the only one. */
async function stores(
  settings: GatewaySettings,
  logger: Logger,
  stack: AsyncDisposableStack,
): Promise<Pick<GatewayDeps, "store" | "generations" | "journals" | "quotas">> {
  const { redisUrl: url, placement } = settings;
  if (url === undefined && !placement)
    throw new ServingError("INVALID_ARGUMENT", "--placement false needs --redis-url: what another gateway is to place stands there");
  const connection = url === undefined ? undefined : stack.use(new RedisConnection({ url }, { random: systemRandom, logger }));
  const journal = await openJournal(settings, connection);
  if (connection === undefined) return { store: new MemoryPlacementStore({ clock: systemClock, random: systemRandom }) };
  const { GenerationJournals } = await import("../gateway/serving/generation/generation-journals.ts");
  return {
    store: { wantedModels: redisWantedModels(connection), lease: placement ? redisPlacementLease(connection) : OTHERS_PLACE },
    generations: redisGenerationStore(connection),
    journals: journal && new GenerationJournals(journal.store, journal.keys),
    quotas: redisQuotaStore(connection),
  };
}
