/** The tiers that are compared, each with the peer's file that holds the weights in the same number of bits. */
import type { BenchContext } from "../context.ts";

export interface Tier {
  readonly quantization: "native" | "int8" | "int4";
  /** llama.cpp's type; undefined: the same file. */
  readonly peerType: string | undefined;
  /** Times as fast as the peer: one sequence, several, prompts. */
  readonly goals: { readonly one: number; readonly batch: number; readonly prefill: number };
}

/** Goals: for one sequence parity, for the rest what the bare graph reached against llama.cpp on such a machine. */
export const TIERS: readonly Tier[] = [
  { quantization: "native", peerType: undefined, goals: { one: 1.0, batch: 2.0, prefill: 3.0 } },
  { quantization: "int8", peerType: "Q8_0", goals: { one: 1.0, batch: 2.3, prefill: 1.8 } },
  { quantization: "int4", peerType: "Q4_0", goals: { one: 0.9, batch: 1.0, prefill: 1.0 } },
];

export async function peerFile(context: BenchContext, { peerType }: Tier): Promise<string> {
  const peer = await context.peer();
  return peerType === undefined ? context.modelFile : await peer.quantized(context.modelFile, peerType, context.signal);
}
