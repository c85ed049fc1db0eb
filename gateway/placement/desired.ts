/** What somebody wants to run: the input of placement. Pure. */
import type { ModelName, ReplicaId } from "../../core/ids.ts";
import type { Quantization } from "../../core/model/shard-description.ts";
import type { NodeLabels } from "../../core/node-labels.ts";

export interface DesiredReplica {
  readonly replica: ReplicaId;
  readonly model: ModelName;
  readonly version: string;
  /** `auto`: as few as fit. */
  readonly stages: number | "auto";
  readonly quantization: Quantization | "auto";
  /** Rows of the KV cache: how many sequences run at once. */
  readonly slots: number;
  /** Positions per sequence; undefined: all that the model has. */
  readonly contextLength: number | undefined;
  /** Threads of each shard's runner; 0: the node's share. */
  readonly threads: number;
  /** Positions that free slots may keep for prompts that begin alike; one slot's unless said, 0: none. */
  readonly prefixCacheTokens?: number;
  /** Whether resumable generations are written down; as each node does unless said. */
  readonly journal?: boolean;
  /** Nodes to wait for before stages are assigned, so that a cluster that is starting is not filled from one side. */
  readonly nodesMin: number;
  /** Of the model's files; 0: unknown. */
  readonly bytes: number;
  /** That a node must have to host a stage. */
  readonly labels?: NodeLabels;
}

/** A version of a whole model that somebody wants. A reload is another replica with a higher number. */
export interface DesiredModel {
  readonly replica: ReplicaId;
  readonly model: ModelName;
  readonly version: string;
  /** Empty: the repository's files; else the digest of the files that a load call brought along. */
  readonly source: string;
  /** A whole configuration as JSON instead of the file's; empty: the file's. */
  readonly config: string;
  /** How the models are loaded that an ensemble is composed of, and theirs. */
  readonly members?: readonly Pick<DesiredModel, "model" | "source" | "config">[];
  /** Of the model's files; 0: unknown. */
  readonly bytes: number;
  /** That a node must have to host it. */
  readonly labels?: NodeLabels;
}
