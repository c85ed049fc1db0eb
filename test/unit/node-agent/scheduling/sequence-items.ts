/** Steps of sequences for tests of their scheduler, with only what a test is about. */
import type { SequenceItem, SequenceOptions } from "../../../../node-agent/scheduling/sequence-options.ts";

export interface NamedStep extends SequenceItem {
  readonly name: string;
}

/** @param flags any of S (start) and E (end) */
export function step(sequence: string, flags = "", fields: Partial<SequenceItem> & { readonly name?: string } = {}): NamedStep {
  return {
    name: `${sequence}${flags}`,
    key: sequence,
    correlation: sequence,
    start: flags.includes("S"),
    end: flags.includes("E"),
    id: "",
    size: 1,
    form: "",
    priority: 0,
    timeoutUs: 0,
    deadlineMs: undefined,
    ...fields,
  };
}

export const direct = (maxQueueDelayUs = 0, minimumSlotUtilization = 0) =>
  ({ kind: "direct", maxQueueDelayUs, minimumSlotUtilization }) as const;

export const oldest = (
  maxCandidateSequences: number,
  fields: { readonly preferredBatchSizes?: readonly number[]; readonly maxQueueDelayUs?: number } = {},
) => ({ kind: "oldest", maxCandidateSequences, preferredBatchSizes: [], maxQueueDelayUs: 0, preserveOrdering: false, ...fields }) as const;

export const options = (fields: Partial<SequenceOptions> = {}): SequenceOptions => ({
  model: "m",
  instances: 1,
  maxBatchSize: 4,
  strategy: direct(),
  idleUs: 1_000_000,
  startAfter: 0,
  backlogAfter: 0,
  ...fields,
});
