/** Replicas of the real model, without a gateway: real shards, runner processes and sockets. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import type { Logger } from "../../core/telemetry/logger.ts";
import { type Replica, startReplica } from "../../embedded/replica.ts";
import { realModelFolder } from "./real-model.ts";
import { SHARDS_OF_THE_RUN } from "./shards-of-the-run.ts";

/** Cut shards that several replicas of a test share; disposing removes them. */
export interface ShardCache extends AsyncDisposable {
  readonly folder: string;
}

export interface RealReplicaOptions {
  readonly cache: ShardCache;
  readonly stages: number;
  readonly quantization: string;
  /** 0 unless said, so that every prompt is computed. */
  readonly prefixCacheTokens?: number;
}

const NEVER = new AbortController().signal;
const QUIET: Logger = { debug() {}, info() {}, warn() {}, error() {}, child: () => QUIET };

/** That of the test run; outside of one a folder of its own, so that what is shown is what the partitioner writes today. */
export async function shardCache(): Promise<ShardCache> {
  const shared = process.env[SHARDS_OF_THE_RUN];
  if (shared !== undefined) return { folder: shared, [Symbol.asyncDispose]: async () => {} };
  const folder = await mkdtemp(path.join(tmpdir(), "nereid-cache-"));
  return { folder, [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }) };
}

/** Eight slots, a thread for each stage's runner. */
export function startRealReplica({ cache, stages, quantization, prefixCacheTokens = 0 }: RealReplicaOptions): Promise<Replica> {
  const model = realModelFolder();
  return startReplica(
    {
      repositoryFolder: path.dirname(model),
      cacheFolder: cache.folder,
      model: path.basename(model),
      version: "1",
      stages,
      quantization,
      slots: 8,
      contextLength: 1024,
      threads: 1,
      prefixCacheTokens,
    },
    QUIET,
    NEVER,
  );
}
