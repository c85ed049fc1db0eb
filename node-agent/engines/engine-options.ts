/** What a generation engine is made with, and what it says of itself. Pure. */
import type { SchedulerOptions } from "../generation/scheduler-options.ts";

export interface EngineOptions {
  /** For messages. */
  readonly model: string;
  readonly stages: number;
  readonly slots: number;
  readonly contextLength: number;
  readonly vocabSize: number;
  readonly decodeRowsMin: number;
  /** Choices that may wait for a slot; 4 per slot unless said. */
  readonly queueMax?: number;
  /** See SchedulerOptions; 50, 100 and 200 ms unless said. */
  readonly prefillBudgetMs?: SchedulerOptions["prefillBudgetMs"];
  /** See SchedulerOptions; one slot's positions unless said. */
  readonly prefixCacheTokens?: number;
}

export interface EngineLoad {
  readonly slots: number;
  readonly busySlots: number;
  /** Choices that wait for a slot. */
  readonly queued: number;
  /** When the oldest of them came. */
  readonly queuedSinceMs?: number;
}

const QUEUED_PER_SLOT = 4;
const PREFILL_BUDGET_MS = { besideDecode: 50, alone: 100, rebuilding: 200 };

export function schedulerOptions({
  stages,
  slots,
  contextLength,
  decodeRowsMin,
  queueMax,
  prefillBudgetMs,
  prefixCacheTokens,
}: EngineOptions): SchedulerOptions {
  return {
    epoch: 0,
    stages,
    slots,
    contextLength,
    decodeRowsMin,
    queueMax: queueMax ?? QUEUED_PER_SLOT * slots,
    prefillBudgetMs: prefillBudgetMs ?? PREFILL_BUDGET_MS,
    prefixCacheTokens: prefixCacheTokens ?? contextLength,
  };
}
