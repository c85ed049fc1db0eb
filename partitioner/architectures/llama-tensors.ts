/** The tensors of a llama-family checkpoint by their part in the model, checked, with rows in rotary order. */
import { ServingError } from "../../core/errors.ts";
import type { Checkpoint, CheckpointTensor } from "../sources/checkpoint.ts";

const GLOBAL_NAMES = {
  gguf: { embedding: "token_embd.weight", norm: "output_norm.weight", head: "output.weight" },
  huggingface: { embedding: "model.embed_tokens.weight", norm: "model.norm.weight", head: "lm_head.weight" },
} as const;

const LAYER_PREFIX = { gguf: "blk.", huggingface: "model.layers." } as const;
const LAYER_NAMES = {
  gguf: {
    attentionNorm: "attn_norm",
    query: "attn_q",
    key: "attn_k",
    value: "attn_v",
    queryNorm: "attn_q_norm",
    keyNorm: "attn_k_norm",
    attentionOutput: "attn_output",
    feedForwardNorm: "ffn_norm",
    gate: "ffn_gate",
    up: "ffn_up",
    down: "ffn_down",
  },
  huggingface: {
    attentionNorm: "input_layernorm",
    query: "self_attn.q_proj",
    key: "self_attn.k_proj",
    value: "self_attn.v_proj",
    queryNorm: "self_attn.q_norm",
    keyNorm: "self_attn.k_norm",
    attentionOutput: "self_attn.o_proj",
    feedForwardNorm: "post_attention_layernorm",
    gate: "mlp.gate_proj",
    up: "mlp.up_proj",
    down: "mlp.down_proj",
  },
} as const;

type Part = keyof typeof LAYER_NAMES.gguf;

/** Weights of linears that share an input, and their biases: none, or one each. */
export interface LinearTensors {
  readonly parts: readonly CheckpointTensor[];
  readonly biases: readonly CheckpointTensor[];
}

export interface LayerTensors {
  readonly attentionNorm: CheckpointTensor;
  readonly queryKeyValue: LinearTensors;
  /** Norms over each head of queries and keys, where the architecture has them. */
  readonly headNorms: { readonly query: CheckpointTensor; readonly key: CheckpointTensor } | undefined;
  readonly attentionOutput: LinearTensors;
  readonly feedForwardNorm: CheckpointTensor;
  readonly gateUp: LinearTensors;
  readonly down: LinearTensors;
}

/** @throws ServingError DATA_LOSS when a tensor is missing or has another shape than the hyperparameters say */
export function layerTensors(checkpoint: Checkpoint, layer: number): LayerTensors {
  const { hiddenSize, heads, kvHeads, headSize, feedForwardSize } = checkpoint.hyperparameters;
  const name = (part: Part, kind: "weight" | "bias") =>
    `${LAYER_PREFIX[checkpoint.layout]}${layer}.${LAYER_NAMES[checkpoint.layout][part]}.${kind}`;
  const vector = (part: Part, size: number) => shaped(checkpoint.tensor(name(part, "weight")), 1, size);
  const linear = (columns: number, ...parts: readonly (readonly [Part, number])[]): LinearTensors => ({
    parts: parts.map(([part, rows]) => inRotaryOrder(checkpoint, part, shaped(checkpoint.tensor(name(part, "weight")), rows, columns))),
    biases: parts.some(([part]) => checkpoint.has(name(part, "bias")))
      ? parts.map(([part, rows]) => inRotaryOrder(checkpoint, part, asColumn(shaped(checkpoint.tensor(name(part, "bias")), 1, rows))))
      : [],
  });
  const normsHeads = checkpoint.has(name("queryNorm", "weight"));
  return {
    attentionNorm: vector("attentionNorm", hiddenSize),
    queryKeyValue: linear(hiddenSize, ["query", heads * headSize], ["key", kvHeads * headSize], ["value", kvHeads * headSize]),
    headNorms: normsHeads ? { query: vector("queryNorm", headSize), key: vector("keyNorm", headSize) } : undefined,
    attentionOutput: linear(heads * headSize, ["attentionOutput", hiddenSize]),
    feedForwardNorm: vector("feedForwardNorm", hiddenSize),
    gateUp: linear(hiddenSize, ["gate", feedForwardSize], ["up", feedForwardSize]),
    down: linear(feedForwardSize, ["down", hiddenSize]),
  };
}

export function embeddingTensor(checkpoint: Checkpoint): CheckpointTensor {
  const { vocabSize, hiddenSize } = checkpoint.hyperparameters;
  return shaped(checkpoint.tensor(GLOBAL_NAMES[checkpoint.layout].embedding), vocabSize, hiddenSize);
}

export function headTensor(checkpoint: Checkpoint): CheckpointTensor {
  const { vocabSize, hiddenSize, tiedEmbeddings } = checkpoint.hyperparameters;
  if (tiedEmbeddings) return embeddingTensor(checkpoint);
  return shaped(checkpoint.tensor(GLOBAL_NAMES[checkpoint.layout].head), vocabSize, hiddenSize);
}

export function finalNormTensor(checkpoint: Checkpoint): CheckpointTensor {
  return shaped(checkpoint.tensor(GLOBAL_NAMES[checkpoint.layout].norm), 1, checkpoint.hyperparameters.hiddenSize);
}

function shaped(tensor: CheckpointTensor, rows: number, columns: number): CheckpointTensor {
  if (tensor.rows === rows && tensor.columns === columns) return tensor;
  const actual = `${tensor.rows} × ${tensor.columns}`;
  throw new ServingError("DATA_LOSS", `tensor '${tensor.name}' is ${actual}, but the hyperparameters ask for ${rows} × ${columns}`);
}

/** A vector as rows of one value. */
function asColumn(vector: CheckpointTensor): CheckpointTensor {
  return {
    ...vector,
    rows: vector.columns,
    columns: 1,
    async readRows(firstRow, endRow) {
      const bytes = await vector.readRows(0, 1);
      const valueBytes = bytes.length / vector.columns;
      return bytes.slice(firstRow * valueBytes, endRow * valueBytes);
    },
  };
}

/**
 * Files of GGUF architecture `llama` keep the rows of each query and key head so that rotated pairs are neighbors: row 2i + half
 * where Hugging Face, and the attention operator, have row half · headSize / 2 + i. Whole rows move, so blocks stay whole.
 */
function inRotaryOrder(checkpoint: Checkpoint, part: Part, tensor: CheckpointTensor): CheckpointTensor {
  const { architecture, headSize } = checkpoint.hyperparameters;
  if (checkpoint.layout !== "gguf" || architecture !== "llama" || (part !== "query" && part !== "key")) return tensor;
  return {
    ...tensor,
    rowsAlignment: headSize,
    async readRows(firstRow, endRow) {
      const bytes = await tensor.readRows(firstRow, endRow);
      const rowBytes = bytes.length / (endRow - firstRow);
      const ordered = new Uint8Array(bytes.length);
      for (let row = 0; row < endRow - firstRow; row++) {
        const inHead = row % headSize;
        const from = row - inHead + 2 * (inHead % (headSize / 2)) + Math.floor(inHead / (headSize / 2));
        ordered.set(bytes.subarray(from * rowBytes, (from + 1) * rowBytes), row * rowBytes);
      }
      return ordered;
    },
  };
}
