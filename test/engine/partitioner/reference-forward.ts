/** A llama's forward pass in plain double precision over a whole sequence: the oracle for cut graphs. */
import { rotaryFrequencies } from "../../../partitioner/graph/rotary.ts";
import type { Hyperparameters } from "../../../partitioner/sources/checkpoint.ts";
import { EPSILON, type TinyShape, type Weights } from "../../unit/partitioner/tiny-llama.ts";

export interface ReferenceModel {
  readonly shape: TinyShape;
  readonly weights: Weights;
  readonly rotary: Pick<Hyperparameters, "headSize" | "rotaryTheta" | "rotaryScaling">;
  /** Tokens that attention looks back, its own included. */
  readonly window?: number;
}

/** @returns logits f64[tokens · vocabSize] */
export function referenceLogits(model: ReferenceModel, ids: readonly number[]): Float64Array {
  const { shape, weights } = model;
  const { hiddenSize, heads, kvHeads, headSize, feedForwardSize, vocabSize } = shape;
  const values = (name: string) => weights.get(name)?.values;
  const matrix = (name: string) => {
    const found = values(name);
    if (found === undefined) throw new Error(`no weights '${name}'`);
    return found;
  };
  const linear = (input: Float64Array, name: string, inSize: number, outSize: number) => {
    const weight = matrix(`${name}.weight`);
    const bias = values(`${name}.bias`);
    const output = new Float64Array((input.length / inSize) * outSize);
    for (let row = 0; row < input.length / inSize; row++) {
      for (let out = 0; out < outSize; out++) {
        let sum = bias?.[out] ?? 0;
        for (let i = 0; i < inSize; i++) sum += (input[row * inSize + i] ?? 0) * (weight[out * inSize + i] ?? 0);
        output[row * outSize + out] = sum;
      }
    }
    return output;
  };
  const embedding = matrix("model.embed_tokens.weight");
  const stream = Float64Array.from(ids.flatMap((id) => [...embedding.subarray(id * hiddenSize, (id + 1) * hiddenSize)]));
  for (let layer = 0; layer < shape.layers; layer++) {
    const prefix = `model.layers.${layer}.`;
    let normed = rmsNorm(stream, matrix(`${prefix}input_layernorm.weight`));
    let query = linear(normed, `${prefix}self_attn.q_proj`, hiddenSize, heads * headSize);
    let key = linear(normed, `${prefix}self_attn.k_proj`, hiddenSize, kvHeads * headSize);
    const value = linear(normed, `${prefix}self_attn.v_proj`, hiddenSize, kvHeads * headSize);
    const [queryNorm, keyNorm] = [values(`${prefix}self_attn.q_norm.weight`), values(`${prefix}self_attn.k_norm.weight`)];
    if (queryNorm !== undefined && keyNorm !== undefined) {
      query = rmsNorm(query, queryNorm);
      key = rmsNorm(key, keyNorm);
    }
    rotate(query, ids.length, model);
    rotate(key, ids.length, model);
    const attended = attention(query, key, value, ids.length, model);
    add(stream, linear(attended, `${prefix}self_attn.o_proj`, heads * headSize, hiddenSize));
    normed = rmsNorm(stream, matrix(`${prefix}post_attention_layernorm.weight`));
    const gate = linear(normed, `${prefix}mlp.gate_proj`, hiddenSize, feedForwardSize);
    const up = linear(normed, `${prefix}mlp.up_proj`, hiddenSize, feedForwardSize);
    const gated = gate.map((x, index) => (x / (1 + Math.exp(-x))) * (up[index] ?? 0));
    add(stream, linear(gated, `${prefix}mlp.down_proj`, feedForwardSize, hiddenSize));
  }
  const head = weights.has("lm_head.weight") ? "lm_head" : "model.embed_tokens";
  return linear(rmsNorm(stream, matrix("model.norm.weight")), head, hiddenSize, vocabSize);
}

function add(target: Float64Array, addend: Float64Array): void {
  for (const [index, value] of addend.entries()) target[index] = (target[index] ?? 0) + value;
}

/** Over each run of `weight.length` values. */
function rmsNorm(input: Float64Array, weight: Float32Array): Float64Array<ArrayBuffer> {
  const size = weight.length;
  const output = new Float64Array(input.length);
  for (let row = 0; row < input.length; row += size) {
    const squares = input.subarray(row, row + size).reduce((sum, x) => sum + x * x, 0);
    const scale = 1 / Math.sqrt(squares / size + EPSILON);
    for (let i = 0; i < size; i++) output[row + i] = (input[row + i] ?? 0) * scale * (weight[i] ?? 0);
  }
  return output;
}

/** Pairs (i, i + headSize / 2) of each head turn by position × frequency. */
function rotate(heads: Float64Array, tokens: number, { shape, rotary }: ReferenceModel): void {
  const half = shape.headSize / 2;
  const frequencies = rotaryFrequencies(rotary);
  const width = heads.length / tokens;
  for (let position = 0; position < tokens; position++) {
    for (let at = position * width; at < (position + 1) * width; at += shape.headSize) {
      for (let i = 0; i < half; i++) {
        const angle = position * (frequencies[i] ?? 0);
        const [x, y] = [heads[at + i] ?? 0, heads[at + half + i] ?? 0];
        heads[at + i] = x * Math.cos(angle) - y * Math.sin(angle);
        heads[at + half + i] = y * Math.cos(angle) + x * Math.sin(angle);
      }
    }
  }
}

function attention(query: Float64Array, key: Float64Array, value: Float64Array, tokens: number, model: ReferenceModel): Float64Array {
  const { heads, kvHeads, headSize } = model.shape;
  const output = new Float64Array(query.length);
  for (let head = 0; head < heads; head++) {
    const kvHead = Math.floor((head * kvHeads) / heads);
    for (let position = 0; position < tokens; position++) {
      const from = Math.max(0, position + 1 - (model.window ?? tokens));
      const at = (position * heads + head) * headSize;
      const scores: number[] = [];
      for (let seen = from; seen <= position; seen++) {
        let score = 0;
        for (let i = 0; i < headSize; i++) score += (query[at + i] ?? 0) * (key[(seen * kvHeads + kvHead) * headSize + i] ?? 0);
        scores.push(score / Math.sqrt(headSize));
      }
      const largest = Math.max(...scores);
      const weights = scores.map((score) => Math.exp(score - largest));
      const total = weights.reduce((sum, weight) => sum + weight, 0);
      for (const [index, weight] of weights.entries()) {
        for (let i = 0; i < headSize; i++) {
          const seen = ((from + index) * kvHeads + kvHead) * headSize + i;
          output[at + i] = (output[at + i] ?? 0) + (weight / total) * (value[seen] ?? 0);
        }
      }
    }
  }
  return output;
}
