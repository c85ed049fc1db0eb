/**
 * What this CPU needs for determinism, found out bit by bit: on some, the runtime computes a lone row with another kernel than
 * several rows; and nobody promises that rows of one run find what earlier ones have just written (with several threads they may
 * not, where the runtime's attention does not take its flash path). Also the warm-up: the first runs of a graph pack weights and fill caches.
 */
import type { ShardTraits } from "../../../core/wire/runner-handle.ts";
import type { DecodeRun, ReplayRun } from "../../../core/wire/step.ts";
import { replayByDecoding } from "./replay.ts";
import type { RunOutput, ShardSession } from "./shard-session.ts";

const PROMPT_TOKENS = 16;
const REPLAYED_TOKENS = 8;

/** Leaves what it knows in the session, and its runs' traces in the cache. */
export function probe(session: ShardSession): ShardTraits {
  session.traits = { decodeRowsMin: probeDecodeRowsMin(session), replaysAtOnce: false };
  return { ...session.traits, replaysAtOnce: probeReplay(session) };
}

/** @returns the fewest rows of a decode run whose rows have the bits that they have among others: 1 or 2 */
function probeDecodeRowsMin(session: ShardSession): number {
  const past = Math.min(PROMPT_TOKENS, session.contextLength - 1);
  fillInputs(session);
  session.prefill({ kind: "prefill", slot: 0, past: 0, tokens: someTokens(session, past), sample: { row: past - 1, position: 0 } });
  const row = { token: 5 % session.description.vocabSize, past, position: 0 };
  const decode = (rows: DecodeRun["rows"]) => firstRow(session, session.decode({ kind: "decode", firstSlot: 0, rows }));
  const alone = decode([row]);
  if (session.slots < 2) return 1; // no other row can ever be beside it
  const together = decode([row, { token: 0, past: 0, position: 0 }]); // two rows of the head as well
  return alone.every((bits, index) => bits === together[index]) ? 1 : 2;
}

/** Whether a replay at once leaves the bits of one decode run after another. */
function probeReplay(session: ShardSession): boolean {
  const { contextLength } = session;
  const count = Math.min(REPLAYED_TOKENS, contextLength >> 1);
  const past = Math.min(PROMPT_TOKENS, contextLength - count);
  const run: ReplayRun = { kind: "replay", slot: 0, past, tokens: someTokens(session, count) };
  fillInputs(session);
  session.cache.release(0); // what an earlier run has written must not stand in for what a row has failed to
  session.prefill({ kind: "prefill", slot: 0, past: 0, tokens: someTokens(session, past), sample: undefined });
  if (!session.cache.show(0, count)) return false;
  const atOnce = bitsOf(session, session.replay(run), run);
  session.cache.hide();
  const inTurn = bitsOf(
    session,
    replayByDecoding(session, run, () => 0),
    run,
  );
  return atOnce.every((bits, index) => bits === inTurn[index]);
}

const someTokens = (session: ShardSession, count: number): Int32Array =>
  Int32Array.from({ length: count }, (_, index) => (index * 7 + 1) % session.description.vocabSize);

/** What a replay leaves behind: its rows of keys and values, and what goes to the next stage. */
function bitsOf(session: ShardSession, { hidden, addend }: RunOutput, { slot, past, tokens }: ReplayRun): Uint32Array {
  const { kvHeads, headSize } = session.description;
  const parts: Float32Array[] = [hidden, addend];
  for (let tensor = 0; tensor < session.cache.names.length; tensor++) {
    const floats = session.cache.rows(tensor, { kind: "slots", first: slot, count: 1 });
    for (let head = 0; head < kvHeads; head++) {
      const begin = (head * session.cache.positions + past) * headSize;
      parts.push(floats.subarray(begin, begin + tokens.length * headSize));
    }
  }
  return Uint32Array.from(parts.flatMap((part) => [...new Uint32Array(part.slice().buffer)]));
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
