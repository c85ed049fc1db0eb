/** `nereid partition`: cuts every shard of a model ahead of time; nodes with the same cache start without cutting. */
import { homedir } from "node:os";
import { join, resolve } from "node:path";
import { systemClock } from "../core/clock.ts";
import { ServingError } from "../core/errors.ts";
import { modelName } from "../core/ids.ts";
import { systemRandom } from "../core/random.ts";
import type { ModelFiles } from "../core/repository/repository.ts";
import { readSettings, type SettingsOf, type SettingsSource } from "../core/settings.ts";
import { cacheFolders } from "./cache.ts";
import { megabytes, startProgress } from "./progress.ts";
import { PARTITION_SETTINGS } from "./settings/settings-tables.ts";
import { stopSignal } from "./stop.ts";

const VERSION_FOLDER = "1";
const VERIFIED = { seed: 1n, promptTokens: 16, decodeTokens: 16 };

interface Cut {
  readonly model: string;
  readonly files: ModelFiles;
  readonly cacheFolder: string;
  readonly quantization: SettingsOf<typeof PARTITION_SETTINGS>["quantization"];
  readonly signal: AbortSignal;
}

/** @throws ServingError NOT_FOUND when the repository has no such model; DATA_LOSS when verifying finds a difference; what the partitioner throws */
export async function partition(model: string, source: SettingsSource): Promise<void> {
  const settings = readSettings(PARTITION_SETTINGS, source);
  const folders = cacheFolders(settings, source.environment, homedir());
  using stop = stopSignal(systemClock, source.environment);
  const { ModelSources } = await import("../core/repository/model-sources.ts");
  const uploadsFolder = join(folders.shards, "uploads");
  const sources = new ModelSources({ repositoryFolders: folders.repositories, uploadsFolder, random: systemRandom });
  const files = await sources.files(modelName(model), "");
  const cacheFolder = settings.output === undefined ? folders.shards : resolve(settings.output);
  const cut: Cut = { model, files, cacheFolder, quantization: settings.quantization, signal: stop.signal };
  const staged = await cutStages(cut, settings.stages);
  if (settings.verify) await verify(cut, staged);
}

/** @returns the stages' folders, in order */
async function cutStages(cut: Cut, stages: number): Promise<readonly string[]> {
  const { cachedOrCutShard } = await import("../partitioner/cutting/cut-shard.ts");
  const folders: string[] = [];
  for (let stage = 0; stage < stages; stage++) {
    using progress = startProgress(process.stdout, systemClock, {
      label: `${cut.model} stage ${stage + 1} of ${stages}`,
      total: { amount: 1 },
    });
    const { folder, description } = await cachedOrCutShard({
      ...cut,
      versionFolder: VERSION_FOLDER,
      stage,
      stages,
      random: systemRandom,
      onProgress: (share) => progress.update(share),
    });
    const layers = `layers ${description.firstLayer} to ${description.endLayer - 1}`;
    progress.finish(`${layers}, ${description.quantization}, ${megabytes(description.weightBytes)} in ${folder}`);
    folders.push(folder);
  }
  return folders;
}

async function verify(cut: Cut, staged: readonly string[]): Promise<void> {
  const [whole = ""] = await cutStages(cut, 1);
  const [{ verifyPartition }, { shardOpener }] = await Promise.all([
    import("../partitioner/verify.ts"),
    import("./partition/open-shard.ts"),
  ]);
  const tokens = VERIFIED.promptTokens + VERIFIED.decodeTokens;
  using progress = startProgress(process.stdout, systemClock, { label: `comparing the logits of ${tokens} tokens`, total: undefined });
  const difference = await verifyPartition({ ...VERIFIED, whole, staged, open: await shardOpener() });
  if (difference !== 0) {
    throw new ServingError(
      "DATA_LOSS",
      `${staged.length} stages of ${cut.model} differ from the uncut model by ${difference}: remove ${cut.cacheFolder} and cut it again`,
    );
  }
  progress.finish("the stages give the same bits as the uncut model");
}
