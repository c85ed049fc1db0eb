/** Token ids to rows of the embedding, f32 [B, S, H]. Pure. */
import type { Quantization } from "../../core/model/shard-description.ts";
import { type BlockFormat, rowBytes, weightFormat } from "../quantize/weight-format.ts";
import type { CheckpointTensor } from "../sources/checkpoint.ts";
import { CONTRIB } from "./onnx-graph.ts";
import type { ShardGraph } from "./shard-graph.ts";

/** @param embedding.input int64 [B, S] */
export function addEmbedding(
  graph: ShardGraph,
  embedding: { input: string; output: string; table: CheckpointTensor; quantization: Quantization },
): string {
  const { input, output, table, quantization } = embedding;
  const format = weightFormat({ ...table, role: "vocabulary", quantization });
  if (format.kind === "blocks") return addBlockGather(graph, embedding, format);
  const { data } = graph.place([table], format);
  const weight = graph.onnx.external("embedding", "float", [table.rows, table.columns], {
    offset: data,
    bytes: table.rows * table.columns * 4,
  });
  return graph.onnx.node("Gather", [weight, input], [output]);
}

function addBlockGather(
  graph: ShardGraph,
  embedding: { input: string; output: string; table: CheckpointTensor },
  format: BlockFormat,
): string {
  const { input, output, table } = embedding;
  const { bits, block, corrected } = format;
  const blocks = table.columns / block;
  const bytes = rowBytes(format, table.columns);
  const place = graph.place([table], format);
  const quants = graph.onnx.external("embedding_quants", "uint8", [table.rows, bytes.data], {
    offset: place.data,
    bytes: table.rows * bytes.data,
  });
  const scales = graph.onnx.external("embedding_scales", "float", [table.rows, blocks], {
    offset: place.scales,
    bytes: table.rows * bytes.scales,
  });
  const gathered = corrected ? "embedding_symmetric" : output;
  graph.onnx.node("GatherBlockQuantized", [quants, input, scales], [gathered], {
    domain: CONTRIB,
    attributes: { gather_axis: 0, quantize_axis: 1, block_size: block, bits },
  });
  if (!corrected) return output;
  // each block's correction, spread over the block: [B, S, blocks, 1] + [B, S, blocks, block]
  const corrections = graph.onnx.external("embedding_corrections", "float", [table.rows, blocks, 1], {
    offset: place.corrections,
    bytes: table.rows * bytes.corrections,
  });
  const share = graph.onnx.constant("embedding_share", "float", [1], new Uint8Array(Float32Array.of(1 / block).buffer));
  graph.onnx.node("Gather", [corrections, input], ["embedding_correction_sums"]);
  graph.onnx.node("Mul", ["embedding_correction_sums", share], ["embedding_correction"]);
  graph.onnx.node(
    "Reshape",
    [gathered, graph.onnx.wholeNumbers(`shape_0_0_${blocks}_${block}`, [0, 0, blocks, block])],
    ["embedding_blocks"],
  );
  graph.onnx.node("Add", ["embedding_blocks", "embedding_correction"], ["embedding_corrected"]);
  return graph.onnx.node("Reshape", ["embedding_corrected", graph.onnx.wholeNumbers("shape_0_0_all", [0, 0, -1])], [output]);
}
