/**
 * What this CPU needs for determinism, found out bit by bit: on some, the runtime computes a lone row with another kernel than
 * several rows. Also the warm-up: the first runs of a graph pack weights and fill caches.
 */
import type { DecodeRun } from "../../../core/wire/step.ts";
import type { RunOutput, ShardSession } from "./shard-session.ts";

const PROMPT_TOKENS = 16;

/** @returns the fewest rows of a decode run whose rows have the bits that they have among others: 1 or 2 */
export function probeDecodeRowsMin(session: ShardSession): number {
  const past = Math.min(PROMPT_TOKENS, session.contextLength - 1);
  fillInputs(session);
  const tokens = Int32Array.from({ length: past }, (_, index) => (index * 7 + 1) % session.description.vocabSize);
  session.prefill({ kind: "prefill", slot: 0, past: 0, tokens, sample: { row: past - 1, position: 0 } });
  const row = { token: 5 % session.description.vocabSize, past, position: 0 };
  const decode = (rows: DecodeRun["rows"]) => firstRow(session, session.decode({ kind: "decode", firstSlot: 0, rows }));
  const alone = decode([row]);
  if (session.slots < 2) return 1; // no other row can ever be beside it
  const together = decode([row, { token: 0, past: 0, position: 0 }]); // two rows of the head as well
  return alone.every((bits, index) => bits === together[index]) ? 1 : 2;
}

/** What the stage before would have sent: anything of usual size. */
function fillInputs(session: ShardSession): void {
  const count = Math.min(session.hiddenIn.length, (PROMPT_TOKENS + 1) * session.description.hiddenSize);
  for (let index = 0; index < count; index++) {
    session.hiddenIn[index] = Math.sin(index * 1.7) * 2;
    session.addendIn[index] = Math.cos(index * 0.9);
  }
}

/** A copy of the bits that the first row came to. */
function firstRow(session: ShardSession, { hidden, addend, logits }: RunOutput): Uint32Array {
  const { hiddenSize, vocabSize } = session.description;
  const bits = (floats: Float32Array, count: number) => new Uint32Array(floats.slice(0, count).buffer);
  return session.last ? bits(logits, vocabSize) : Uint32Array.from([...bits(hidden, hiddenSize), ...bits(addend, hiddenSize)]);
}
