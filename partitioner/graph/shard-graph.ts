/** A shard's graph together with what will fill its weight file. Pure: nothing is read before the graph is complete. */
import { rowBytes, type WeightFormat } from "../quantize/weight-format.ts";
import type { CheckpointTensor } from "../sources/checkpoint.ts";
import { OnnxGraph } from "./onnx-graph.ts";

/** Name of the file that external tensors lie in. */
export const WEIGHTS_FILE = "weights.bin";

/** Where the three kinds of bytes of a weight begin in the weight file; scales and corrections may be empty. */
export interface WeightPlace {
  readonly data: number;
  readonly scales: number;
  readonly corrections: number;
}

/** What fills a range of the weight file. */
export type Filling =
  /** The rows of a tensor, encoded, one after another from each of the three places on. */
  | { readonly kind: "rows"; readonly tensor: CheckpointTensor; readonly format: WeightFormat; readonly place: WeightPlace }
  /** Bytes that are worked out, in pieces. */
  | { readonly kind: "pieces"; readonly offset: number; readonly pieces: () => Iterable<Uint8Array> };

export class ShardGraph {
  readonly onnx: OnnxGraph = new OnnxGraph(WEIGHTS_FILE);
  readonly #fillings: Filling[] = [];
  readonly #placed = new Map<string, WeightPlace>();
  #fillingBytes = 0;

  /** Bytes that the fillings write; the weight file also has gaps between them. */
  get fillingBytes(): number {
    return this.#fillingBytes;
  }

  get fillings(): readonly Filling[] {
    return this.#fillings;
  }

  /** Places the rows of `parts`, which follow one another as one weight. The same parts again share the place: tied embeddings. */
  place(parts: readonly CheckpointTensor[], format: WeightFormat): WeightPlace {
    const key = `${JSON.stringify(format)} ${parts.map(({ name }) => name).join(" ")}`;
    const placed = this.#placed.get(key);
    if (placed !== undefined) return placed;
    const bytes = rowBytes(format, columnsOf(parts));
    const rows = rowsOf(parts);
    const place = {
      data: this.onnx.reserve(rows * bytes.data),
      scales: this.onnx.reserve(rows * bytes.scales),
      corrections: this.onnx.reserve(rows * bytes.corrections),
    };
    let row = 0;
    for (const tensor of parts) {
      const { data, scales, corrections } = place;
      const partPlace = {
        data: data + row * bytes.data,
        scales: scales + row * bytes.scales,
        corrections: corrections + row * bytes.corrections,
      };
      this.#fillings.push({ kind: "rows", tensor, format, place: partPlace });
      row += tensor.rows;
    }
    this.#fillingBytes += rows * (bytes.data + bytes.scales + bytes.corrections);
    this.#placed.set(key, place);
    return place;
  }

  /** f32 values that are worked out rather than read. @returns the tensor's name */
  generated(name: string, dimensions: readonly number[], pieces: () => Iterable<Uint8Array>): string {
    const bytes = dimensions.reduce((product, size) => product * size, 4);
    const offset = this.onnx.reserve(bytes);
    this.#fillings.push({ kind: "pieces", offset, pieces });
    this.#fillingBytes += bytes;
    return this.onnx.external(name, "float", dimensions, { offset, bytes });
  }

  /** Vectors one after another as one f32 tensor of one dimension. @returns its name */
  vector(name: string, parts: readonly CheckpointTensor[]): string {
    const values = parts.reduce((sum, { rows, columns }) => sum + rows * columns, 0);
    const offset = this.onnx.reserve(values * 4);
    this.#fillingBytes += values * 4;
    let at = offset;
    for (const tensor of parts) {
      this.#fillings.push({ kind: "rows", tensor, format: { kind: "float" }, place: { data: at, scales: 0, corrections: 0 } });
      at += tensor.rows * tensor.columns * 4;
    }
    return this.onnx.external(name, "float", [values], { offset, bytes: values * 4 });
  }
}

export const rowsOf = (parts: readonly CheckpointTensor[]): number => parts.reduce((sum, { rows }) => sum + rows, 0);

/** Columns of parts that share their input. */
export const columnsOf = (parts: readonly CheckpointTensor[]): number => parts[0]?.columns ?? 0;
