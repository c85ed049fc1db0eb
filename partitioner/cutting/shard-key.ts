/** Names of shards in a cache: equal keys mean equal bytes. Pure. */
import { createHash } from "node:crypto";
import type { Quantization } from "../../core/model/shard-description.ts";

/** Of `ShardDescription`. */
export const SHARD_FORMAT = 1;

/** Raised whenever the same arguments would give another graph or other weights. */
const CUT_REVISION = 1;

export interface ShardIdentity {
  /** sha256 of the checkpoint, hexadecimal. */
  readonly sourceDigest: string;
  readonly stage: number;
  readonly stages: number;
  readonly quantization: Quantization;
}

/** Readable, and fit for a folder's name: `native-0of2-` and 16 hexadecimal digits. */
export function shardKey(identity: ShardIdentity): string {
  const { sourceDigest, stage, stages, quantization } = identity;
  const text = JSON.stringify([SHARD_FORMAT, CUT_REVISION, sourceDigest, stage, stages, quantization]);
  return `${quantization}-${stage}of${stages}-${createHash("sha256").update(text).digest("hex").slice(0, 16)}`;
}
