/** Requests and options for tests of the batch queue, with only what a test is about. */
import type { BatchItem, BatchOptions, DynamicBatching, QueuePolicy } from "../../../../node-agent/scheduling/batch-options.ts";
import { DYNAMIC_BATCHING, NO_POLICY } from "../../../../node-agent/scheduling/batch-options.ts";

export interface NamedItem extends BatchItem {
  readonly name: string;
}

export function item(name: string, fields: Partial<BatchItem> = {}): NamedItem {
  return { name, id: "", size: 1, form: "", priority: 0, timeoutUs: 0, deadlineMs: undefined, ...fields };
}

export const policy = (fields: Partial<QueuePolicy>): QueuePolicy => ({ ...NO_POLICY, ...fields });

export const dynamic = (maxBatchSize: number, fields: Partial<DynamicBatching> = {}): BatchOptions => ({
  maxBatchSize,
  dynamic: { ...DYNAMIC_BATCHING, ...fields },
});
