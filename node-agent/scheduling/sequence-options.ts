/** What the sequence scheduler must know of a model and of its requests; meanings are those of Triton's model configuration. Pure. */
import type { SequenceBatching } from "../../core/model/config/configuration.ts";
import type { BatchItem } from "./batch-options.ts";

export interface SequenceOptions extends Pick<SequenceBatching, "strategy" | "idleUs"> {
  /** For messages. */
  readonly model: string;
  readonly instances: number;
  /** 0: no batch dimension, every request runs alone. */
  readonly maxBatchSize: number;
  /** Nothing runs before so many requests wait, once (TRITONSERVER_DELAY_SCHEDULER); 0: at once. */
  readonly startAfter: number;
  /** Nothing runs before so many requests wait in the backlog, once (TRITONSERVER_BACKLOG_DELAY_SCHEDULER); 0: at once. */
  readonly backlogAfter: number;
}

export interface SequenceItem extends BatchItem {
  /** Of its sequence. */
  readonly key: string;
  /** The sequence's id as its client knows it, for messages. */
  readonly correlation: string;
  readonly start: boolean;
  readonly end: boolean;
}
