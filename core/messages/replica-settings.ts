/** How a language model's replicas are run, wherever that is said: in what is wanted, and in what agents are told. */
import { Type } from "typebox";

/** Members of a schema. */
export const REPLICA_SETTINGS = {
  /** `auto`: native for quantized checkpoints, int8 for others. */
  quantization: Type.Union([
    Type.Literal("auto"),
    Type.Literal("native"),
    Type.Literal("int8"),
    Type.Literal("int4"),
    Type.Literal("fp32"),
  ]),
  /** Rows of the KV cache. */
  slots: Type.Integer({ minimum: 1 }),
  /** 0: all that the model has. */
  contextLength: Type.Integer({ minimum: 0 }),
  /** Of each shard's runner; 0: the node's share. */
  threads: Type.Integer({ minimum: 0 }),
  /** Positions that free slots may keep for prompts that begin alike; one slot's unless said, 0: none. */
  prefixCacheTokens: Type.Optional(Type.Integer({ minimum: 0 })),
  /** Whether resumable generations are written down; as each node does unless said. */
  journal: Type.Optional(Type.Boolean()),
};
