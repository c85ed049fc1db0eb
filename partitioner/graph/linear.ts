/** y = x · Wᵀ in whatever format the weights are held. Pure. */
import type { Quantization } from "../../core/model/shard-description.ts";
import { type BlockFormat, isSameFormat, rowBytes, type WeightFormat, type WeightRole, weightFormat } from "../quantize/weight-format.ts";
import type { CheckpointTensor } from "../sources/checkpoint.ts";
import { CONTRIB } from "./onnx-graph.ts";
import { columnsOf, rowsOf, type ShardGraph } from "./shard-graph.ts";

/** Activations are quantized to 8 bits per block: the only fast path on CPUs. */
const ACCURACY_LEVEL_INT8 = 4;

export interface Linear {
  /** Prefix of the names inside, such as `l0_qkv`. */
  readonly name: string;
  /** f32 [..., K]; three dimensions unless `pooled` is given. */
  readonly input: string;
  /** Where the input comes from in three dimensions, [B, S, K], when it is not so itself, and how anything of that shape follows it. */
  readonly pooled?: { readonly from: string; readonly follow: (tensor: string, width: number) => string };
  /** f32 [..., N]: the outputs of all parts, one after another. */
  readonly output: string;
  /** Weights that share the input. */
  readonly parts: readonly CheckpointTensor[];
  /** Empty, or a vector for each part. */
  readonly biases: readonly CheckpointTensor[];
  readonly role: WeightRole;
  readonly quantization: Quantization;
}

/** Adds the operators; parts of one format become one product, others are joined after it. @returns the output's name */
export function addLinear(graph: ShardGraph, linear: Linear): string {
  const { name, output, biases } = linear;
  const product = biases.length === 0 ? output : `${name}_product`;
  const groups = groupByFormat(linear);
  const outputs = groups.map(({ parts, format }, index) => {
    const only = groups.length === 1;
    const group = { ...linear, parts, name: only ? name : `${name}_${index}`, output: only ? product : `${name}_product_${index}` };
    return format.kind === "float" ? addFloatProduct(graph, group) : addBlockProduct(graph, group, format);
  });
  if (groups.length > 1) graph.onnx.node("Concat", outputs, [product], { attributes: { axis: -1 } });
  if (biases.length > 0) graph.onnx.node("Add", [product, graph.vector(`${name}_bias`, biases)], [output]);
  return output;
}

/** Neighboring parts of one format. */
function groupByFormat(linear: Linear): readonly { readonly parts: readonly CheckpointTensor[]; readonly format: WeightFormat }[] {
  const groups: { parts: CheckpointTensor[]; format: WeightFormat }[] = [];
  for (const part of linear.parts) {
    const format = weightFormat({ ...part, role: linear.role, quantization: linear.quantization });
    const last = groups.at(-1);
    if (last !== undefined && isSameFormat(last.format, format)) last.parts.push(part);
    else groups.push({ parts: [part], format });
  }
  return groups;
}

/** The weights as they are, [N, K]: FusedMatMul transposes while it packs them, so that nobody has to. */
function addFloatProduct(graph: ShardGraph, linear: Linear): string {
  const { name, input, output, parts } = linear;
  const [rows, columns] = [rowsOf(parts), columnsOf(parts)];
  const { data } = graph.place(parts, { kind: "float" });
  const weight = graph.onnx.external(`${name}_weight`, "float", [rows, columns], { offset: data, bytes: rows * columns * 4 });
  return graph.onnx.node("FusedMatMul", [input, weight], [output], { domain: CONTRIB, attributes: { transB: 1 } });
}

function addBlockProduct(graph: ShardGraph, linear: Linear, format: BlockFormat): string {
  const { name, input, output, parts } = linear;
  const { bits, block, corrected } = format;
  const [rows, columns] = [rowsOf(parts), columnsOf(parts)];
  const blocks = columns / block;
  const bytes = rowBytes(format, columns);
  const place = graph.place(parts, format);
  const quants = graph.onnx.external(`${name}_quants`, "uint8", [rows, blocks, (block * bits) / 8], {
    offset: place.data,
    bytes: rows * bytes.data,
  });
  const scales = graph.onnx.external(`${name}_scales`, "float", [rows * blocks], { offset: place.scales, bytes: rows * bytes.scales });
  const product = corrected ? `${name}_symmetric` : output;
  graph.onnx.node("MatMulNBits", [input, quants, scales], [product], {
    domain: CONTRIB,
    attributes: { K: columns, N: rows, bits, block_size: block, accuracy_level: ACCURACY_LEVEL_INT8 },
  });
  if (!corrected) return output;
  const corrections = graph.onnx.external(`${name}_corrections`, "float", [rows, blocks], {
    offset: place.corrections,
    bytes: rows * bytes.corrections,
  });
  const means = addBlockMeans(graph, { ...linear, block, blocks });
  graph.onnx.node("FusedMatMul", [means, corrections], [`${name}_correction`], { domain: CONTRIB, attributes: { transB: 1 } });
  return graph.onnx.node("Add", [product, `${name}_correction`], [output]);
}

/**
 * The mean of each block of the input, f32 [..., K / block]: what a number added to all weights of a block multiplies. Pooling is the
 * fastest way; it wants three dimensions and at least one row, while the head's input has two and may have none.
 */
function addBlockMeans(graph: ShardGraph, linear: Linear & { block: number; blocks: number }): string {
  const { name, input, pooled, block, blocks } = linear;
  const from = pooled?.from ?? input;
  const means = graph.onnx.node("AveragePool", [from], [`${name}_means`], { attributes: { kernel_shape: [block], strides: [block] } });
  return pooled === undefined ? means : pooled.follow(means, blocks);
}
