/** What an agent needs of the partitioner: the folder of a shard, cut now or found in the node's cache. */
import type { ShardDescription } from "../../core/model/shard-description.ts";

export interface CutRequest {
  readonly model: string;
  readonly version: string;
  readonly stage: number;
  readonly stages: number;
  /** `auto`, or one of QUANTIZATIONS. */
  readonly quantization: string;
}

export interface CutShard {
  readonly folder: string;
  readonly description: ShardDescription;
  /** The serialized text bundle (core/model/text-bundle-codec.ts). */
  readonly text: Uint8Array;
}

export interface Cutter {
  /**
   * @param onProgress from 0 to 1
   * @throws ServingError NOT_FOUND without such a model, INVALID_ARGUMENT or DATA_LOSS when it cannot be cut.
   */
  cut(request: CutRequest, onProgress: (progress: number) => void, signal: AbortSignal): Promise<CutShard>;
}
