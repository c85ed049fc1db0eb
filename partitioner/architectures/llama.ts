/** The llama family: Llama 2 and 3, SmolLM2, TinyLlama, Mistral; Qwen 2 (biases) and Qwen 3 (head norms). */
import type { Quantization } from "../../core/model/shard-description.ts";
import { addEmbedding } from "../graph/embedding.ts";
import { addLinear } from "../graph/linear.ts";
import { CONTRIB } from "../graph/onnx-graph.ts";
import { addRotaryTables } from "../graph/rotary.ts";
import { ShardGraph } from "../graph/shard-graph.ts";
import type { StageRange } from "../planning/plan-stages.ts";
import { rowBytes, type WeightRole, weightFormat } from "../quantize/weight-format.ts";
import type { Checkpoint, CheckpointTensor } from "../sources/checkpoint.ts";
import type { Family } from "./family.ts";
import { embeddingTensor, finalNormTensor, headTensor, type LinearTensors, layerTensors } from "./llama-tensors.ts";

/** What a layer's attention, norms and operators cost beside its weights, in bytes read in the same time. Measured on SmolLM2-135M. */
const LAYER_OVERHEAD_BYTES = 1_000_000;

export const llama: Family = {
  architectures: ["llama", "mistral", "qwen2", "qwen3"],
  costs(checkpoint, quantization) {
    const layers = Array.from({ length: checkpoint.hyperparameters.layers }, (_, layer) => {
      const { queryKeyValue, attentionOutput, gateUp, down } = layerTensors(checkpoint, layer);
      const parts = [queryKeyValue, attentionOutput, gateUp, down].flatMap((linear) => linear.parts);
      return LAYER_OVERHEAD_BYTES + parts.reduce((sum, part) => sum + weightBytes(part, "layer", quantization), 0);
    });
    return { layers, head: weightBytes(headTensor(checkpoint), "vocabulary", quantization) };
  },
  shardGraph(checkpoint, quantization, range) {
    const graph = new ShardGraph();
    const builder: Builder = { graph, checkpoint, quantization, ...addRotaryTables(graph, checkpoint.hyperparameters) };
    const { hiddenSize, layers } = checkpoint.hyperparameters;
    const isLast = range.endLayer === layers;
    let stream = addStart(builder, range);
    graph.onnx.input("seqlens_k", "int32", ["B"]);
    graph.onnx.input("total_len", "int32", []);
    for (let layer = range.firstLayer; layer < range.endLayer; layer++) {
      const leaves = !isLast && layer === range.endLayer - 1;
      stream = addLayer(builder, layer, stream, leaves ? { residual: "hidden_out", addend: "addend_out" } : undefined);
    }
    if (isLast) addHead(builder, stream);
    else for (const name of ["hidden_out", "addend_out"]) graph.onnx.output(name, "float", ["B", "S", hiddenSize]);
    return graph;
  },
};

interface Builder {
  readonly graph: ShardGraph;
  readonly checkpoint: Checkpoint;
  readonly quantization: Quantization;
  /** Names of the rotary tables. */
  readonly cos: string;
  readonly sin: string;
}

/** The residual stream between operators: what has been added up, and what the next norm still adds (f32 [B, S, H] both). */
interface Stream {
  readonly residual: string;
  readonly addend: string | undefined;
}

function weightBytes(tensor: CheckpointTensor, role: WeightRole, quantization: Quantization): number {
  const { data, scales, corrections } = rowBytes(weightFormat({ ...tensor, role, quantization }), tensor.columns);
  return tensor.rows * (data + scales + corrections);
}

function addStart({ graph, checkpoint, quantization }: Builder, range: StageRange): Stream {
  if (range.firstLayer === 0) {
    graph.onnx.input("input_ids", "int64", ["B", "S"]);
    const table = embeddingTensor(checkpoint);
    return { residual: addEmbedding(graph, { input: "input_ids", output: "embedded", table, quantization }), addend: undefined };
  }
  for (const name of ["hidden", "addend"]) graph.onnx.input(name, "float", ["B", "S", checkpoint.hyperparameters.hiddenSize]);
  return { residual: "hidden", addend: "addend" };
}

/** @param leaving names of the outputs when the stream leaves the shard after this layer */
function addLayer(builder: Builder, layer: number, stream: Stream, leaving: { residual: string; addend: string } | undefined): Stream {
  const { graph, checkpoint } = builder;
  const name = `l${layer}`;
  const tensors = layerTensors(checkpoint, layer);
  const linear = (part: string, input: string, output: string, weights: LinearTensors) =>
    addLinear(graph, {
      ...weights,
      name: `${name}_${part}`,
      input,

      output,
      role: "layer",
      quantization: builder.quantization,
    });

  const before = addNorm(builder, { name: `${name}_attention_norm`, weight: tensors.attentionNorm, stream });
  const packed = linear("qkv", before.normed, `${name}_qkv_packed`, tensors.queryKeyValue);
  const attended = addAttention(builder, layer, packed, tensors.headNorms);
  const projected = linear("o", attended, `${name}_attention_out`, tensors.attentionOutput);

  const between = addNorm(builder, {
    name: `${name}_feed_forward_norm`,
    weight: tensors.feedForwardNorm,
    stream: { residual: before.residual, addend: projected },
    residual: leaving?.residual,
  });
  const gateUp = linear("gate_up", between.normed, `${name}_gate_up_packed`, tensors.gateUp);
  graph.onnx.node("Split", [gateUp], [`${name}_gate`, `${name}_up`], { attributes: { axis: -1, num_outputs: 2 } });
  graph.onnx.node("QuickGelu", [`${name}_gate`], [`${name}_silu`], { domain: CONTRIB, attributes: { alpha: { float: 1 } } });
  graph.onnx.node("Mul", [`${name}_silu`, `${name}_up`], [`${name}_gated`]);
  const down = linear("down", `${name}_gated`, leaving?.addend ?? `${name}_feed_forward_out`, tensors.down);
  return { residual: between.residual, addend: down };
}

/** RMS norm of residual + addend in one operator. @returns the normed stream and the sum */
function addNorm(
  { graph, checkpoint }: Builder,
  norm: { name: string; weight: CheckpointTensor; stream: Stream; residual?: string | undefined },
): { readonly normed: string; readonly residual: string } {
  const { name, stream } = norm;
  const weight = graph.vector(`${name}_weight`, [norm.weight]);
  const epsilon = { float: checkpoint.hyperparameters.normEpsilon };
  if (stream.addend === undefined) {
    const attributes = { axis: -1, epsilon, stash_type: 1 };
    return {
      normed: graph.onnx.node("SimplifiedLayerNormalization", [stream.residual, weight], [name], { attributes }),
      residual: stream.residual,
    };
  }
  const residual = norm.residual ?? `${name}_sum`;
  graph.onnx.node("SkipSimplifiedLayerNormalization", [stream.residual, stream.addend, weight], [name, "", "", residual], {
    domain: CONTRIB,
    attributes: { epsilon },
  });
  return { normed: name, residual };
}

/** Rotary embedding, cache update and attention in one operator; past and present share memory. */
function addAttention(
  { graph, checkpoint, cos, sin }: Builder,
  layer: number,
  packed: string,
  headNorms: { readonly query: CheckpointTensor; readonly key: CheckpointTensor } | undefined,
): string {
  const { heads, kvHeads, headSize, slidingWindow, contextLength, normEpsilon } = checkpoint.hyperparameters;
  const name = `l${layer}`;
  for (const kind of ["k", "v"]) {
    graph.onnx.input(`past_${kind}_${layer}`, "float", ["B", kvHeads, "capacity", headSize]);
    graph.onnx.output(`present_${kind}_${layer}`, "float", ["B", kvHeads, "capacity", headSize]);
  }
  let inputs = [packed, "", ""];
  if (headNorms !== undefined) {
    const sizes = graph.onnx.wholeNumbers("qkv_sizes", [heads * headSize, kvHeads * headSize, kvHeads * headSize]);
    graph.onnx.node("Split", [packed, sizes], [`${name}_q`, `${name}_k`, `${name}_v`], { attributes: { axis: -1 } });
    const normed = (part: "q" | "k", count: number, weight: CheckpointTensor) => {
      const split = graph.onnx.wholeNumbers(`shape_0_0_${count}_${headSize}`, [0, 0, count, headSize]);
      const prefix = `${name}_${part}`;
      graph.onnx.node("Reshape", [prefix, split], [`${prefix}_heads`]);
      const attributes = { axis: -1, epsilon: { float: normEpsilon }, stash_type: 1 };
      const scale = graph.vector(`${prefix}_norm_weight`, [weight]);
      graph.onnx.node("SimplifiedLayerNormalization", [`${prefix}_heads`, scale], [`${prefix}_normed_heads`], { attributes });
      return graph.onnx.node(
        "Reshape",
        [`${prefix}_normed_heads`, graph.onnx.wholeNumbers("shape_0_0_all", [0, 0, -1])],
        [`${prefix}_normed`],
      );
    };
    inputs = [normed("q", heads, headNorms.query), normed("k", kvHeads, headNorms.key), `${name}_v`];
  }
  inputs.push(`past_k_${layer}`, `past_v_${layer}`, "seqlens_k", "total_len", cos, sin);
  const windowed = slidingWindow !== undefined && slidingWindow < contextLength;
  return graph.onnx.node("GroupQueryAttention", inputs, [`${name}_attended`, `present_k_${layer}`, `present_v_${layer}`], {
    domain: CONTRIB,
    attributes: {
      num_heads: heads,
      kv_num_heads: kvHeads,
      do_rotary: 1,
      rotary_interleaved: 0,
      scale: { float: 1 / Math.sqrt(headSize) },
      ...(windowed ? { local_window_size: slidingWindow } : {}),
    },
  });
}

/** Final norm, and logits of the wanted rows alone: `rows` counts through B · S and may be empty. */
function addHead(builder: Builder, stream: Stream): void {
  const { graph, checkpoint, quantization } = builder;
  const { hiddenSize, vocabSize } = checkpoint.hyperparameters;
  graph.onnx.input("rows", "int64", ["R"]);
  const { normed } = addNorm(builder, { name: "final_norm", weight: finalNormTensor(checkpoint), stream });
  const wantedRows = (tensor: string, width: number): string => {
    const flat = graph.onnx.wholeNumbers(`shape_all_${width}`, [-1, width]);
    graph.onnx.node("Reshape", [tensor, flat], [`${tensor}_flat`]);
    return graph.onnx.node("Gather", [`${tensor}_flat`, "rows"], [`${tensor}_wanted`], { attributes: { axis: 0 } });
  };
  addLinear(graph, {
    name: "head",
    input: wantedRows(normed, hiddenSize),
    pooled: { from: normed, follow: wantedRows },
    output: "logits",
    parts: [headTensor(checkpoint)],
    biases: [],
    role: "vocabulary",
    quantization,
  });
  graph.onnx.output("logits", "float", ["R", vocabSize]);
}
