/**
 * What the partitioner says of a shard that it has cut (`shard.json`), and what a shard's graph looks like from outside. Pure.
 *
 * A shard folder holds `model.onnx`, `weights.bin` (its external data) and `shard.json`. The graph of stage s of S:
 *
 * | tensor | dtype, shape | of which stage |
 * | --- | --- | --- |
 * | `input_ids` | int64 [B, S] | in, first |
 * | `hidden`, `addend` | f32 [B, S, hiddenSize] | in, all but the first: the residual, and what is still to be added to it |
 * | `seqlens_k` | int32 [B] | in: tokens in the cache after this run, minus 1 |
 * | `total_len` | int32 scalar | in: max(seqlens_k) + 1 |
 * | `past_k_l`, `past_v_l` → `present_k_l`, `present_v_l` | f32 [B, kvHeads, capacity, headSize] | both, l from firstLayer to endLayer - 1; bind the same memory to both |
 * | `rows` | int64 [R] | in, last: flat indices into B·S whose logits are wanted; R may be 0 |
 * | `hidden_out`, `addend_out` | f32 [B, S, hiddenSize] | out, all but the last |
 * | `logits` | f32 [R, vocabSize] | out, last |
 *
 * Stages pass residual and addend apart, so that the next stage's fused skip norm does the same arithmetic as an uncut graph:
 * any stage count gives the same bits.
 */
import { ServingError } from "../errors.ts";

/** How weights are held. `native` keeps a quantized checkpoint's own blocks exactly. */
export const QUANTIZATIONS = ["native", "int8", "int4", "fp32"] as const;
export type Quantization = (typeof QUANTIZATIONS)[number];

export interface ShardDescription {
  /** Version of this file's form and of the graph's; another one is cut again. */
  readonly format: 1;
  /** Such as `llama`. */
  readonly architecture: string;
  /** sha256 of the checkpoint, hexadecimal. */
  readonly sourceDigest: string;
  readonly quantization: Quantization;
  readonly stage: number;
  readonly stages: number;
  /** Layers [firstLayer, endLayer). */
  readonly firstLayer: number;
  readonly endLayer: number;
  readonly layers: number;
  readonly hiddenSize: number;
  readonly kvHeads: number;
  readonly headSize: number;
  readonly vocabSize: number;
  /** Positions in the rotary tables: the longest context this shard can serve. */
  readonly contextLengthMax: number;
  /** Bytes of weights.bin. */
  readonly weightBytes: number;
}

export function isQuantization(text: unknown): text is Quantization {
  return QUANTIZATIONS.some((kind) => kind === text);
}

/** @throws ServingError DATA_LOSS naming the field that is missing or of the wrong type. */
export function parseShardDescription(text: string): ShardDescription {
  const value: unknown = JSON.parse(text);
  const fields = typeof value === "object" && value !== null ? new Map(Object.entries(value)) : new Map<string, unknown>();
  const fail = (name: string): never => {
    throw new ServingError("DATA_LOSS", `shard.json has no valid '${name}': cut the shard again`);
  };
  const whole = (name: string): number => {
    const field = fields.get(name);
    return typeof field === "number" && Number.isSafeInteger(field) && field >= 0 ? field : fail(name);
  };
  const word = (name: string): string => {
    const field = fields.get(name);
    return typeof field === "string" ? field : fail(name);
  };
  const quantization = word("quantization");
  if (whole("format") !== 1) fail("format");
  return {
    format: 1,
    architecture: word("architecture"),
    sourceDigest: word("sourceDigest"),
    quantization: isQuantization(quantization) ? quantization : fail("quantization"),
    stage: whole("stage"),
    stages: whole("stages"),
    firstLayer: whole("firstLayer"),
    endLayer: whole("endLayer"),
    layers: whole("layers"),
    hiddenSize: whole("hiddenSize"),
    kvHeads: whole("kvHeads"),
    headSize: whole("headSize"),
    vocabSize: whole("vocabSize"),
    contextLengthMax: whole("contextLengthMax"),
    weightBytes: whole("weightBytes"),
  };
}
