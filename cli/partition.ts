/** `nereid partition`: cuts every shard of a model ahead of time; nodes with the same cache start without cutting. */
import { homedir } from "node:os";
import { resolve } from "node:path";
import { systemClock } from "../core/clock.ts";
import { modelName } from "../core/ids.ts";
import { systemRandom } from "../core/random.ts";
import type { ModelFiles } from "../core/repository/repository.ts";
import { readSettings, type SettingsOf, type SettingsSource } from "../core/settings.ts";
import { cacheFolders } from "./cache.ts";
import { megabytes, startProgress } from "./progress.ts";
import { PARTITION_SETTINGS } from "./settings-tables.ts";
import { stopSignal } from "./stop.ts";

const VERSION_FOLDER = "1";

/** @throws ServingError NOT_FOUND when the repository has no such model; what the partitioner throws */
export async function partition(model: string, source: SettingsSource): Promise<void> {
  const settings = readSettings(PARTITION_SETTINGS, source);
  const folders = cacheFolders(settings, source.environment, homedir());
  using stop = stopSignal(systemClock, source.environment);
  const { folderRepository } = await import("../core/repository/folder.ts");
  const files = await folderRepository(folders.models).model(modelName(model));
  const cacheFolder = settings.output === undefined ? folders.shards : resolve(settings.output);
  await cutShards(files, { model, cacheFolder, settings, signal: stop.signal });
}

async function cutShards(
  files: ModelFiles,
  cut: {
    readonly model: string;
    readonly cacheFolder: string;
    readonly settings: SettingsOf<typeof PARTITION_SETTINGS>;
    readonly signal: AbortSignal;
  },
): Promise<void> {
  const { cachedOrCutShard } = await import("../partitioner/cutting/cut-shard.ts");
  const { stages, quantization } = cut.settings;
  for (let stage = 0; stage < stages; stage++) {
    using progress = startProgress(process.stdout, systemClock, {
      label: `${cut.model} stage ${stage + 1} of ${stages}`,
      total: { amount: 1 },
    });
    const { folder, description } = await cachedOrCutShard({
      files,
      versionFolder: VERSION_FOLDER,
      stage,
      stages,
      quantization,
      cacheFolder: cut.cacheFolder,
      random: systemRandom,
      signal: cut.signal,
      onProgress: (share) => progress.update(share),
    });
    const layers = `layers ${description.firstLayer} to ${description.endLayer - 1}`;
    progress.finish(`${layers}, ${description.quantization}, ${megabytes(description.weightBytes)} in ${folder}`);
  }
}
