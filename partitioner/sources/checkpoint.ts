/** What the partitioner knows of a checkpoint, whatever file format holds it. Pure types. */
import type { TensorType } from "../quantize/tensor-type.ts";

/** How rotary frequencies are stretched for longer contexts. */
export type RotaryScaling =
  | { readonly kind: "none" }
  /** Positions are divided by `factor`. */
  | { readonly kind: "linear"; readonly factor: number }
  /** Llama 3.1: low frequencies are divided by `factor`, high ones kept, those between blended. */
  | {
      readonly kind: "llama3";
      readonly factor: number;
      readonly lowFrequencyFactor: number;
      readonly highFrequencyFactor: number;
      readonly originalContextLength: number;
    }
  /** f32[headSize / 2]: what each frequency is divided by, worked out beforehand (GGUF's `rope_freqs.weight`). */
  | { readonly kind: "divisors"; readonly divisors: Float32Array };

export interface Hyperparameters {
  /** As the checkpoint names it: `llama`, `mistral`, `qwen2`, `qwen3`, … */
  readonly architecture: string;
  readonly layers: number;
  readonly hiddenSize: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly headSize: number;
  readonly feedForwardSize: number;
  readonly vocabSize: number;
  readonly normEpsilon: number;
  readonly rotaryTheta: number;
  readonly rotaryScaling: RotaryScaling;
  readonly contextLength: number;
  /** Tokens that attention looks back, its own included; undefined for all. */
  readonly slidingWindow: number | undefined;
  /** Whether the head's weights are the embedding's. */
  readonly tiedEmbeddings: boolean;
}

/** A tensor as rows of `columns` values; a vector is one row. */
export interface CheckpointTensor {
  readonly name: string;
  readonly type: TensorType;
  readonly rows: number;
  readonly columns: number;
  /** Ranges must begin and end at multiples of this, or at the end. */
  readonly rowsAlignment: number;
  /** The raw bytes of rows [firstRow, endRow), blocks and all. */
  readRows(firstRow: number, endRow: number): Promise<Uint8Array>;
}

export interface Checkpoint {
  /** Which naming and row order the tensors have. */
  readonly layout: "gguf" | "huggingface";
  readonly hyperparameters: Hyperparameters;
  /** sha256 over the digests of all files that weights and hyperparameters come from, hexadecimal. */
  readonly digest: string;
  /** Types of the two-dimensional tensors, each once. */
  readonly weightTypes: readonly TensorType[];
  has(name: string): boolean;
  /** @throws ServingError DATA_LOSS when it is missing, UNIMPLEMENTED when its type is not read */
  tensor(name: string): CheckpointTensor;
}
