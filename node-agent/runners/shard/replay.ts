/**
 * Known tokens of one sequence, computed again with the bits of decode runs: all in one run over the cache's window, or one after
 * another where there is no window or it was found to give other bits.
 */
import type { DecodeRow, ReplayRun } from "../../../core/wire/step.ts";
import type { RunOutput, ShardSession } from "./shard-session.ts";

/** @param heldIn how many tokens another slot holds: an idle row there goes behind them */
export function replay(session: ShardSession, run: ReplayRun, heldIn: (slot: number) => number): RunOutput {
  if (session.traits.replaysAtOnce && session.cache.show(run.slot, run.tokens.length)) return session.replay(run);
  return replayByDecoding(session, run, heldIn);
}

/** As `replay`, always one after another. */
export function replayByDecoding(session: ShardSession, run: ReplayRun, heldIn: (slot: number) => number): RunOutput {
  const { hiddenSize } = session.description;
  const { decodeRowsMin } = session.traits;
  const floats = run.tokens.length * hiddenSize;
  const received = { hidden: session.hiddenIn.slice(0, floats), addend: session.addendIn.slice(0, floats) };
  const computed = { hidden: new Float32Array(session.last ? 0 : floats), addend: new Float32Array(session.last ? 0 : floats) };
  const firstSlot = decodeRowsMin > 1 && run.slot === session.slots - 1 ? run.slot - 1 : run.slot;
  const own = run.slot - firstSlot;
  const rows = Array.from({ length: decodeRowsMin }, (_, index): DecodeRow => {
    const past = Math.min(heldIn(firstSlot + index), session.contextLength - 1);
    return { token: 0, past, position: undefined };
  });
  for (const [index, token] of run.tokens.entries()) {
    const part = (from: Float32Array) => from.subarray(index * hiddenSize, (index + 1) * hiddenSize);
    if (!session.first) {
      session.hiddenIn.set(part(received.hidden), own * hiddenSize);
      session.addendIn.set(part(received.addend), own * hiddenSize);
    }
    rows[own] = { token, past: run.past + index, position: undefined };
    const { hidden, addend } = session.decode({ kind: "decode", firstSlot, rows });
    if (session.last) continue;
    computed.hidden.set(hidden.subarray(own * hiddenSize, (own + 1) * hiddenSize), index * hiddenSize);
    computed.addend.set(addend.subarray(own * hiddenSize, (own + 1) * hiddenSize), index * hiddenSize);
  }
  return { ...computed, logits: NO_LOGITS };
}

const NO_LOGITS = new Float32Array(0);
