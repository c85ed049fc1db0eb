/** The next run over several tokens of one sequence: of its prompt, then of what was generated behind it before. Pure. */
import type { Step } from "../../core/wire/step.ts";
import type { MutableCounters } from "./generation-counters.ts";
import { planPrefill } from "./prefill-run.ts";
import { planReplay, replayLeft } from "./replay-run.ts";
import type { RunCosts } from "./run-costs.ts";
import { promptLeft, type Sequence } from "./sequence.ts";
import type { StepInFlight } from "./steps-in-flight.ts";

export interface PlannedChunk {
  readonly run: Step["run"];
  readonly record: StepInFlight;
}

/** Plans as much as the budget allows, counts it as cached, and lets the sequence decode when nothing else is left to feed. */
export function planChunk(sequence: Sequence, costs: RunCosts, budgetMs: number, counters: MutableCounters): PlannedChunk {
  const planned =
    promptLeft(sequence) > 0
      ? promptChunk(sequence, costs.prefill.chunkTokens(budgetMs), counters)
      : replayChunk(sequence, costs.replay.chunkTokens(budgetMs), counters);
  if (sequence.outputIds.length > 0 && promptLeft(sequence) + replayLeft(sequence) === 0) {
    sequence.phase = "decoding";
    sequence.rebuilding = false;
  }
  return planned;
}

function promptChunk(sequence: Sequence, chunkTokens: number, counters: MutableCounters): PlannedChunk {
  const past = sequence.cached;
  const run = planPrefill(sequence, chunkTokens);
  const tokens = run.tokens.length;
  counters.prefillRuns += 1;
  counters.tokensPrefilled += tokens;
  return { run, record: { kind: "prefill", sequence, past, tokens, samples: run.sample !== undefined } };
}

function replayChunk(sequence: Sequence, chunkTokens: number, counters: MutableCounters): PlannedChunk {
  const run = planReplay(sequence, chunkTokens);
  const tokens = run.tokens.length;
  counters.replayRuns += 1;
  counters.tokensReplayed += tokens;
  return { run, record: { kind: "replay", sequence, past: run.past, tokens } };
}
