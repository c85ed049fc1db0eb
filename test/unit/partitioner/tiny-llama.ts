/** Small llamas with random weights, as checkpoints of both formats and as plain arrays. */
import { seededRandom } from "../../../core/random.ts";
import { memoryModelFiles } from "../../../core/repository/memory.ts";
import type { ModelFiles } from "../../../core/repository/repository.ts";
import { dequantize } from "../../../partitioner/quantize/dequantize.ts";
import { TENSOR_TYPES, type TensorType } from "../../../partitioner/quantize/tensor-type.ts";
import { type FileTensor, ggufFile, type MetadataValue, safetensorsFile } from "./checkpoint-files.ts";

export interface TinyShape {
  readonly layers: number;
  readonly hiddenSize: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly headSize: number;
  readonly feedForwardSize: number;
  readonly vocabSize: number;
  readonly contextLength: number;
}

export const TINY: TinyShape = {
  layers: 3,
  hiddenSize: 64,
  heads: 4,
  kvHeads: 2,
  headSize: 16,
  feedForwardSize: 96,
  vocabSize: 128,
  contextLength: 64,
};

/** f32 weights by Hugging Face name, matrices [out, in]. */
export type Weights = ReadonlyMap<string, { readonly shape: readonly number[]; readonly values: Float32Array }>;

export const EPSILON = 1e-5;
export const THETA = 10_000;

/** @param extras `biases` as Qwen 2 has them, `headNorms` as Qwen 3, `head` when the embedding is not tied */
export function randomWeights(
  shape: TinyShape,
  seed: bigint,
  extras: { readonly biases?: boolean; readonly headNorms?: boolean; readonly head?: boolean } = {},
): Weights {
  const random = seededRandom(seed);
  const weights = new Map<string, { shape: readonly number[]; values: Float32Array }>();
  const add = (name: string, size: readonly number[], center: number, spread: number) => {
    const values = Float32Array.from({ length: size.reduce((a, b) => a * b, 1) }, () => center + (random.next() - 0.5) * 2 * spread);
    weights.set(name, { shape: size, values });
  };
  const { hiddenSize, heads, kvHeads, headSize, feedForwardSize, vocabSize } = shape;
  const matrix = (name: string, rows: number, columns: number) => add(name, [rows, columns], 0, 2 / Math.sqrt(columns));
  add("model.embed_tokens.weight", [vocabSize, hiddenSize], 0, 1);
  for (let layer = 0; layer < shape.layers; layer++) {
    const prefix = `model.layers.${layer}.`;
    add(`${prefix}input_layernorm.weight`, [hiddenSize], 1, 0.3);
    matrix(`${prefix}self_attn.q_proj.weight`, heads * headSize, hiddenSize);
    matrix(`${prefix}self_attn.k_proj.weight`, kvHeads * headSize, hiddenSize);
    matrix(`${prefix}self_attn.v_proj.weight`, kvHeads * headSize, hiddenSize);
    matrix(`${prefix}self_attn.o_proj.weight`, hiddenSize, heads * headSize);
    add(`${prefix}post_attention_layernorm.weight`, [hiddenSize], 1, 0.3);
    matrix(`${prefix}mlp.gate_proj.weight`, feedForwardSize, hiddenSize);
    matrix(`${prefix}mlp.up_proj.weight`, feedForwardSize, hiddenSize);
    matrix(`${prefix}mlp.down_proj.weight`, hiddenSize, feedForwardSize);
    if (extras.biases === true) {
      add(`${prefix}self_attn.q_proj.bias`, [heads * headSize], 0, 0.5);
      add(`${prefix}self_attn.k_proj.bias`, [kvHeads * headSize], 0, 0.5);
      add(`${prefix}self_attn.v_proj.bias`, [kvHeads * headSize], 0, 0.5);
    }
    if (extras.headNorms === true) {
      add(`${prefix}self_attn.q_norm.weight`, [headSize], 1, 0.3);
      add(`${prefix}self_attn.k_norm.weight`, [headSize], 1, 0.3);
    }
  }
  add("model.norm.weight", [hiddenSize], 1, 0.3);
  if (extras.head === true) matrix("lm_head.weight", vocabSize, hiddenSize);
  return weights;
}

const bytesOf = (values: Float32Array) => new Uint8Array(values.buffer, values.byteOffset, values.byteLength);

/** A Hugging Face folder as version 1. */
export function huggingFaceFiles(shape: TinyShape, weights: Weights, config: Readonly<Record<string, unknown>> = {}): ModelFiles {
  const tensors = Object.fromEntries([...weights].map(([name, w]) => [name, { shape: w.shape, type: "F32", bytes: bytesOf(w.values) }]));
  const text = JSON.stringify({
    model_type: "llama",
    hidden_act: "silu",
    num_hidden_layers: shape.layers,
    hidden_size: shape.hiddenSize,
    num_attention_heads: shape.heads,
    num_key_value_heads: shape.kvHeads,
    head_dim: shape.headSize,
    intermediate_size: shape.feedForwardSize,
    vocab_size: shape.vocabSize,
    max_position_embeddings: shape.contextLength,
    rms_norm_eps: EPSILON,
    rope_theta: THETA,
    tie_word_embeddings: !weights.has("lm_head.weight"),
    ...config,
  });
  return memoryModelFiles(
    new Map([
      ["1/config.json", new TextEncoder().encode(text)],
      ["1/model.safetensors", safetensorsFile(tensors)],
    ]),
  );
}

const GGUF_NAMES: readonly (readonly [RegExp, string])[] = [
  [/^model\.embed_tokens/, "token_embd"],
  [/^model\.norm/, "output_norm"],
  [/^lm_head/, "output"],
  [/^model\.layers\.(\d+)\./, "blk.$1."],
  [/self_attn\.(.)_proj/, "attn_$1"],
  [/self_attn\.(.)_norm/, "attn_$1_norm"],
  [/attn_o/, "attn_output"],
  [/input_layernorm/, "attn_norm"],
  [/post_attention_layernorm/, "ffn_norm"],
  [/mlp\.(\w+)_proj/, "ffn_$1"],
];

const ggufName = (name: string) => GGUF_NAMES.reduce((text, [from, to]) => text.replace(from, to), name);

/**
 * A GGUF file of architecture `llama` as version 1 whose matrices have the types that `typeOf` says, with random blocks, and the
 * weights that they stand for. Vectors stay f32.
 */
export function ggufLlama(
  shape: TinyShape,
  seed: bigint,
  typeOf: (name: string) => TensorType,
): { readonly files: ModelFiles; readonly weights: Weights } {
  const weights = new Map(randomWeights(shape, seed, { head: true }));
  const random = seededRandom(seed + 1n);
  const tensors: Record<string, FileTensor> = {};
  for (const [name, { shape: size, values }] of weights) {
    const [rows = 0, columns] = size;
    if (columns === undefined) {
      tensors[ggufName(name)] = { shape: size, type: "F32", bytes: bytesOf(values) };
      continue;
    }
    const type = typeOf(name);
    const bytes = randomBlocks(type, values.length, 2 / Math.sqrt(columns), () => random.next());
    const inFileOrder = dequantize(type, bytes, new Float32Array(values.length));
    const ordered = /[qk]_proj/.test(name) ? rotaryRows(inFileOrder, rows, shape.headSize) : inFileOrder;
    weights.set(name, { shape: size, values: ordered });
    tensors[ggufName(name)] = { shape: size, type, bytes };
  }
  const metadata: Record<string, MetadataValue> = {
    "general.architecture": "llama",
    "llama.block_count": { u32: shape.layers },
    "llama.embedding_length": { u32: shape.hiddenSize },
    "llama.attention.head_count": { u32: shape.heads },
    "llama.attention.head_count_kv": { u32: shape.kvHeads },
    "llama.attention.key_length": { u32: shape.headSize },
    "llama.feed_forward_length": { u32: shape.feedForwardSize },
    "llama.context_length": { u32: shape.contextLength },
    "llama.attention.layer_norm_rms_epsilon": { f32: EPSILON },
    "llama.rope.freq_base": { f32: THETA },
    "tokenizer.ggml.tokens": ["a", "b"],
  };
  return { files: memoryModelFiles(new Map([["1/model.gguf", ggufFile(metadata, tensors)]])), weights };
}

/** Rows 2i + half of each head to row half · headSize / 2 + i. */
function rotaryRows(values: Float32Array, rows: number, headSize: number): Float32Array {
  const columns = values.length / rows;
  const ordered = new Float32Array(values.length);
  for (let head = 0; head < rows / headSize; head++) {
    for (let i = 0; i < headSize / 2; i++) {
      for (const half of [0, 1]) {
        const from = (head * headSize + 2 * i + half) * columns;
        ordered.set(values.subarray(from, from + columns), (head * headSize + (half * headSize) / 2 + i) * columns);
      }
    }
  }
  return ordered;
}

/** Byte offsets of the half-precision scales of a block, each with the largest value that it is to have, in units of the spread. */
const HALF_SCALES: Readonly<Record<TensorType, readonly (readonly [offset: number, reach: number])[]>> = {
  F32: [],
  F16: [[0, 1]],
  BF16: [],
  Q4_0: [[0, 1 / 8]],
  Q4_1: [
    [0, 2 / 15],
    [2, -1],
  ],
  Q5_0: [[0, 1 / 16]],
  Q5_1: [
    [0, 2 / 31],
    [2, -1],
  ],
  Q8_0: [[0, 1 / 127]],
  Q4_K: [
    [0, 2 / 15 / 63],
    [2, 1 / 63],
  ],
  Q5_K: [
    [0, 2 / 31 / 63],
    [2, 1 / 63],
  ],
  Q6_K: [[208, 1 / 32 / 127]],
};

/** Random blocks whose values reach about ±`spread`. */
export function randomBlocks(type: TensorType, values: number, spread: number, next: () => number): Uint8Array {
  const { block, bytes: blockBytes } = TENSOR_TYPES[type];
  if (type === "F32" || type === "BF16") {
    const floats = Float32Array.from({ length: values }, () => (next() - 0.5) * 2 * spread);
    if (type === "F32") return bytesOf(floats);
    return new Uint8Array(Uint16Array.from(new Uint32Array(floats.buffer), (bits) => bits >>> 16).buffer);
  }
  const bytes = Uint8Array.from({ length: (values / block) * blockBytes }, () => Math.floor(next() * 256));
  const view = new DataView(bytes.buffer);
  for (let at = 0; at < bytes.length; at += blockBytes) {
    for (const [offset, reach] of HALF_SCALES[type])
      view.setFloat16(at + offset, reach * spread * (0.5 + next() / 2) * (block === 1 && next() < 0.5 ? -1 : 1), true);
  }
  return bytes;
}
