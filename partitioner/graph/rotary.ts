/** Rotary tables for any scaling: cos and sin of position × frequency, f32 [positions, headSize / 2]. Pure. */
import type { Hyperparameters, RotaryScaling } from "../sources/checkpoint.ts";
import type { ShardGraph } from "./shard-graph.ts";

const PIECE_POSITIONS = 4096;

/** @returns the names of both tables */
export function addRotaryTables(graph: ShardGraph, hyperparameters: Hyperparameters): { readonly cos: string; readonly sin: string } {
  const frequencies = rotaryFrequencies(hyperparameters);
  const shape = [hyperparameters.contextLength, frequencies.length];
  const table = (name: string, wave: (angle: number) => number) =>
    graph.generated(name, shape, () => tablePieces(frequencies, hyperparameters.contextLength, wave));
  return { cos: table("rotary_cos", Math.cos), sin: table("rotary_sin", Math.sin) };
}

/** Radians per position of each pair, f64[headSize / 2]: theta^(−2i / headSize), scaled. */
export function rotaryFrequencies(hyperparameters: Pick<Hyperparameters, "headSize" | "rotaryTheta" | "rotaryScaling">): Float64Array {
  const { headSize, rotaryTheta, rotaryScaling } = hyperparameters;
  return Float64Array.from({ length: headSize / 2 }, (_, i) => scaled(1 / rotaryTheta ** ((2 * i) / headSize), i, rotaryScaling));
}

function scaled(frequency: number, index: number, scaling: RotaryScaling): number {
  switch (scaling.kind) {
    case "none":
      return frequency;
    case "linear":
      return frequency / scaling.factor;
    case "divisors":
      return frequency / (scaling.divisors[index] ?? 1);
    case "llama3": {
      // Source: _compute_llama3_parameters in transformers' modeling_rope_utils.py
      const { factor, lowFrequencyFactor, highFrequencyFactor, originalContextLength } = scaling;
      const turns = (originalContextLength * frequency) / (2 * Math.PI);
      if (turns < lowFrequencyFactor) return frequency / factor;
      if (turns > highFrequencyFactor) return frequency;
      const kept = (turns - lowFrequencyFactor) / (highFrequencyFactor - lowFrequencyFactor);
      return (1 - kept) * (frequency / factor) + kept * frequency;
    }
  }
}

function* tablePieces(frequencies: Float64Array, positions: number, wave: (angle: number) => number): Iterable<Uint8Array> {
  for (let first = 0; first < positions; first += PIECE_POSITIONS) {
    const count = Math.min(PIECE_POSITIONS, positions - first);
    const values = new Float32Array(count * frequencies.length);
    for (let p = 0, at = 0; p < count; p++) {
      for (const frequency of frequencies) values[at++] = wave((first + p) * frequency);
    }
    yield new Uint8Array(values.buffer);
  }
}
