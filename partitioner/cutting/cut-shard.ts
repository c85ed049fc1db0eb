/** Cuts one stage of a model out of its checkpoint: only the tensors that the stage needs are read. */
import { open, writeFile } from "node:fs/promises";
import path from "node:path";
import { ServingError } from "../../core/errors.ts";
import type { Quantization, ShardDescription } from "../../core/model/shard-description.ts";
import type { Random } from "../../core/random.ts";
import type { ModelFiles } from "../../core/repository/repository.ts";
import { familyOf } from "../architectures/families.ts";
import { type ShardGraph, WEIGHTS_FILE } from "../graph/shard-graph.ts";
import { planStages, type StageRange } from "../planning/plan-stages.ts";
import { automaticQuantization } from "../quantize/weight-format.ts";
import type { Checkpoint } from "../sources/checkpoint.ts";
import { openCheckpoint } from "../sources/open-checkpoint.ts";
import { DESCRIPTION_FILE, MODEL_FILE, putShardFolder, readShardFolder } from "./shard-folder.ts";
import { SHARD_FORMAT, type ShardIdentity, shardKey } from "./shard-key.ts";
import { writeWeights } from "./write-weights.ts";

export interface ShardRequest {
  readonly files: ModelFiles;
  /** The version's folder, such as `1`. */
  readonly versionFolder: string;
  /** From 0. */
  readonly stage: number;
  readonly stages: number;
  /** "auto": native for quantized checkpoints, int8 for float ones. */
  readonly quantization: Quantization | "auto";
}

export interface CutOptions {
  readonly random: Random;
  readonly signal: AbortSignal;
  /** Called with the share that is done, in [0, 1]. */
  readonly onProgress: (share: number) => void;
}

/**
 * Cuts into `outFolder`, which appears only when it is whole; several cutters of one shard do not disturb one another.
 *
 * @throws ServingError NOT_FOUND (no checkpoint), INVALID_ARGUMENT (impossible stage), UNIMPLEMENTED (unsupported model), DATA_LOSS
 * (damaged checkpoint), RESOURCE_EXHAUSTED (full disk)
 */
export async function cutShard(request: ShardRequest & CutOptions & { readonly outFolder: string }): Promise<ShardDescription> {
  const checkpoint = await openCheckpoint(request.files, request.versionFolder);
  return await cutCheckpoint(checkpoint, request, request.outFolder, request);
}

/** The shard in `cacheFolder`, cut now unless it is there: `<source digest>/<key>`. @throws as `cutShard` */
export async function cachedOrCutShard(
  request: ShardRequest & CutOptions & { readonly cacheFolder: string },
): Promise<{ readonly folder: string; readonly description: ShardDescription }> {
  const checkpoint = await openCheckpoint(request.files, request.versionFolder);
  const identity = shardIdentity(checkpoint, request);
  const folder = shardFolder(request.cacheFolder, identity);
  const present = await readShardFolder(folder);
  if (present !== undefined) return { folder, description: present };
  return { folder, description: await cutCheckpoint(checkpoint, request, folder, request) };
}

/** Where a cache keeps a shard. */
export const shardFolder = (cacheFolder: string, identity: ShardIdentity): string =>
  path.join(sourceFolder(cacheFolder, identity.sourceDigest), shardKey(identity));

/** Where a cache keeps all that comes from one checkpoint. */
export const sourceFolder = (cacheFolder: string, sourceDigest: string): string => path.join(cacheFolder, sourceDigest.slice(0, 32));

/** The folder of a whole shard in the cache; undefined when there is none. */
export async function cachedShard(cacheFolder: string, identity: ShardIdentity): Promise<string | undefined> {
  const folder = shardFolder(cacheFolder, identity);
  return (await readShardFolder(folder)) === undefined ? undefined : folder;
}

/** What tells the requested shard from all others; "auto" is decided here. */
function shardIdentity(checkpoint: Checkpoint, request: ShardRequest): ShardIdentity {
  const { stage, stages } = request;
  const quantization = request.quantization === "auto" ? automaticQuantization(checkpoint.weightTypes) : request.quantization;
  return { sourceDigest: checkpoint.digest, stage, stages, quantization };
}

async function cutCheckpoint(
  checkpoint: Checkpoint,
  request: ShardRequest,
  folder: string,
  options: CutOptions,
): Promise<ShardDescription> {
  const identity = shardIdentity(checkpoint, request);
  const family = familyOf(checkpoint.hyperparameters.architecture);
  const plan = planStages(family.costs(checkpoint, identity.quantization), identity.stages);
  const range = plan[identity.stage];
  if (range === undefined) {
    throw new ServingError("INVALID_ARGUMENT", `there is no stage ${identity.stage} of ${identity.stages}: stages count from 0`);
  }
  const graph = family.shardGraph(checkpoint, identity.quantization, range);
  const description = describe(checkpoint, identity, range, graph);
  try {
    await putShardFolder(folder, options.random.id(), (temporary) => writeShard(temporary, graph, description, options));
  } catch (cause) {
    const isFull = cause instanceof Error && "code" in cause && (cause.code === "ENOSPC" || cause.code === "EDQUOT");
    if (!isFull) throw cause;
    const need = `the shard takes ${description.weightBytes} bytes in '${path.dirname(folder)}'`;
    throw new ServingError("RESOURCE_EXHAUSTED", `${need}, which is full: delete old shards there, or choose another cache folder`, {
      cause,
    });
  }
  return description;
}

function describe(checkpoint: Checkpoint, identity: ShardIdentity, range: StageRange, graph: ShardGraph): ShardDescription {
  const { architecture, layers, hiddenSize, kvHeads, headSize, vocabSize, contextLength } = checkpoint.hyperparameters;
  return {
    format: SHARD_FORMAT,
    architecture,
    ...identity,
    ...range,
    layers,
    hiddenSize,
    kvHeads,
    headSize,
    vocabSize,
    contextLengthMax: contextLength,
    weightBytes: graph.onnx.externalBytes,
  };
}

async function writeShard(folder: string, graph: ShardGraph, description: ShardDescription, options: CutOptions): Promise<void> {
  const { onProgress, signal } = options;
  let written = 0;
  const onBytes = (bytes: number) => {
    written += bytes;
    onProgress(written / graph.fillingBytes);
  };
  await using weights = await open(path.join(folder, WEIGHTS_FILE), "wx");
  await weights.truncate(description.weightBytes); // padding at the end of the file has no bytes of its own
  await writeWeights(weights, graph.fillings, { onBytes, signal });
  await weights.sync(); // the description promises weights that a power cut cannot take back
  await writeFile(path.join(folder, MODEL_FILE), graph.onnx.encode());
  await writeFile(path.join(folder, DESCRIPTION_FILE), `${JSON.stringify(description, undefined, 2)}\n`);
}
