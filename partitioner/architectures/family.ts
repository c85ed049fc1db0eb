/** What a family of architectures tells the partitioner: which tensors become which operators. Nothing else knows families. */
import type { Quantization } from "../../core/model/shard-description.ts";
import type { ShardGraph } from "../graph/shard-graph.ts";
import type { StageCosts, StageRange } from "../planning/plan-stages.ts";
import type { Checkpoint } from "../sources/checkpoint.ts";

export interface Family {
  /** Architectures that it covers, by every checkpoint's name for them. */
  readonly architectures: readonly string[];
  /** Of what planning splits: in bytes that a token reads. */
  costs(checkpoint: Checkpoint, quantization: Quantization): StageCosts;
  /** The graph of the layers of `range`; with the embedding when they begin at 0, with the head when they end the model. */
  shardGraph(checkpoint: Checkpoint, quantization: Quantization, range: StageRange): ShardGraph;
}
