/** `nereid up`: makes sure that the model is there, starts the cluster in this process, says where it is, and stops it again. */
import { readdir, stat } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { systemClock } from "../core/clock.ts";
import { ServingError } from "../core/errors.ts";
import { modelName } from "../core/ids.ts";
import { systemRandom } from "../core/random.ts";
import { readSettings, type SettingsOf, type SettingsSource } from "../core/settings.ts";
import { redisGenerationStore } from "../core/store/generations/redis.ts";
import { RedisConnection } from "../core/store/redis-connection.ts";
import type { Logger } from "../core/telemetry/logger.ts";
import type { ClusterJournal } from "../embedded/cluster.ts";
import type { ServedModel } from "../gateway/serving/generation/text-generation.ts";
import { banner } from "./banner.ts";
import { type CacheFolders, cacheFolders } from "./cache.ts";
import { INTERRUPTED } from "./exit.ts";
import { openJournal } from "./open-journal.ts";
import { startProgress } from "./progress.ts";
import { catalogModel } from "./pull/catalog.ts";
import { pullByName } from "./pull.ts";
import { replicaRange } from "./settings/replica-settings.ts";
import { configReading } from "./settings/repository-settings.ts";
import { UP_SETTINGS } from "./settings/settings-tables.ts";
import { stopped, stopSignal } from "./stop.ts";
import { loggers, withCollector } from "./telemetry.ts";

type UpSettings = SettingsOf<typeof UP_SETTINGS>;

const MODEL_VERSION = "1";
const SHARDS_NAMED = 4;

/** Returns when the cluster has been stopped by a signal. @throws ServingError that says what to do */
export async function up(source: SettingsSource): Promise<void> {
  const settings = readSettings(UP_SETTINGS, source);
  const folders = cacheFolders(settings, source.environment, homedir());
  using stop = stopSignal(systemClock, source.environment);
  const startedMs = systemClock.now();
  const [{ startCluster }] = await Promise.all([import("../embedded/cluster.ts"), provideModel(settings, folders, source, stop.signal)]);
  using progress = startProgress(process.stdout, systemClock, {
    label: `starting ${languageModel(settings) ?? "whole models"}`,
    total: undefined,
  });
  try {
    await using stack = new AsyncDisposableStack();
    const logs = loggers(settings);
    const journal = await clusterJournal(settings, logs.logger, stack);
    await using cluster = await startCluster(clusterOptions(settings, folders, source), {
      ...logs,
      journal,
      onProgress: (model) => progress.note(progressNote(model)),
      signal: stop.signal,
    });
    progress.finish("ready");
    const ready = await cluster.gateway.readyModels();
    const wholeModels = ready.filter((name) => name !== cluster.model?.name);
    process.stdout.write(banner({ ...cluster, wholeModels, startedInMs: systemClock.now() - startedMs }));
    await stopped(stop.signal);
    process.stdout.write("stopping …\n");
  } catch (thrown) {
    if (!(thrown instanceof ServingError && thrown.reason === INTERRUPTED)) throw thrown;
  }
}

/** undefined: the repository's whole models only. */
const languageModel = (settings: UpSettings): string | undefined => (settings.model === "none" ? undefined : settings.model);

function clusterOptions(settings: UpSettings, folders: CacheFolders, source: SettingsSource) {
  return {
    ...settings,
    doors: settings,
    telemetry: withCollector(settings, source),
    scheduling: settings,
    model: languageModel(settings),
    // The models that we keep are what users have fetched, not what they want to be served all at once.
    modelControlMode: settings.models === undefined && settings.modelControlMode === "none" ? ("off" as const) : settings.modelControlMode,
    ...(settings.rememberModels === undefined ? {} : { wantedFile: settings.rememberModels }),
    version: MODEL_VERSION,
    replicas: replicaRange(settings),
    stages: settings.stages ?? settings.nodes,
    repositoryFolders: folders.repositories,
    reading: configReading(settings),
    cacheFolder: folders.shards,
  };
}

/** undefined: streams end with this process. @throws ServingError FAILED_PRECONDITION as `openJournal` */
async function clusterJournal(settings: UpSettings, logger: Logger, stack: AsyncDisposableStack): Promise<ClusterJournal | undefined> {
  const { redisUrl: url, journal } = settings;
  const connection = url === undefined ? undefined : stack.use(new RedisConnection({ url }, { random: systemRandom, logger }));
  const opened = await openJournal(settings, connection);
  if (connection === undefined || opened === undefined) return undefined;
  return { ...opened, byDefault: journal === "on", generations: redisGenerationStore(connection) };
}

/** A model of the user's own repository is taken as it is; in our cache a known one is fetched, and repaired when it is broken. */
async function provideModel(settings: UpSettings, folders: CacheFolders, source: SettingsSource, signal: AbortSignal): Promise<void> {
  const language = languageModel(settings);
  if (language === undefined) return;
  const name = modelName(language);
  const found = await Promise.all(folders.repositories.map((folder) => stat(join(folder, name)).catch(() => undefined)));
  const isThere = found.some((stats) => stats?.isDirectory() === true);
  const isOurs = catalogModel(name) !== undefined && settings.models === undefined;
  if (isThere && !isOurs) return;
  if (catalogModel(name) === undefined) {
    const there = (await Promise.all(folders.repositories.map((folder) => readdir(folder).catch(() => [])))).flat().join(", ") || "none";
    throw new ServingError(
      "NOT_FOUND",
      `there is no model ${name} in ${folders.repositories.join(", ")} (there: ${there}): choose another --model, or run npx nereid pull FILE.gguf --name ${name}`,
    );
  }
  await pullByName(name, folders, source.environment, signal);
}

/** Each shard's state where there are few, how many are in which state where there are many. */
function progressNote(model: ServedModel): string {
  if (model.shards.length === 0) return model.readiness.kind === "loading" ? model.readiness.detail : "";
  if (model.shards.length <= SHARDS_NAMED) {
    return model.shards.map((shard) => `${shard.node} stage ${shard.stage + 1} ${shard.state}`).join(", ");
  }
  const byState = Object.entries(Object.groupBy(model.shards, (shard) => shard.state));
  return byState.map(([state, shards = []]) => `${shards.length} of ${model.shards.length} stages ${state}`).join(", ");
}
