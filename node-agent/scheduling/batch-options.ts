/** What decides how requests for one model wait and run together; fields and meanings are those of Triton's model configuration. Pure. */

/** How long and how many may wait at one priority level. */
export interface QueuePolicy {
  /** What happens to a request whose time in the queue is over: it fails, or it waits on behind all others of its level. */
  readonly timeoutAction: "reject" | "delay";
  /** Microseconds; 0: none. */
  readonly defaultTimeoutUs: number;
  /** A request may bring a shorter timeout than the default, never a longer one. */
  readonly allowTimeoutOverride: boolean;
  /** Requests that may wait; 0: any number. */
  readonly queueMax: number;
}

export const NO_POLICY: QueuePolicy = { timeoutAction: "reject", defaultTimeoutUs: 0, allowTimeoutOverride: false, queueMax: 0 };

export interface DynamicBatching {
  /** Batch sizes worth running at once; empty: only the largest. */
  readonly preferred: readonly number[];
  /** How long the oldest request of a batch may wait for a preferred size, microseconds; 0: not at all. */
  readonly delayUs: number;
  /** Responses leave in the order of arrival. For whoever sends them: `ReleaseOrder`. */
  readonly preserveOrdering: boolean;
  /** Levels 1 (first) to this one (last); 0: priorities are ignored. */
  readonly levels: number;
  /** For requests without a level of their own. */
  readonly defaultLevel: number;
  readonly defaultPolicy: QueuePolicy;
  /** By level; the others have the default policy. */
  readonly policies: ReadonlyMap<number, QueuePolicy>;
  /** Nothing runs before so many requests wait, once: makes batches foreseeable in tests (TRITONSERVER_DELAY_SCHEDULER); 0: at once. */
  readonly startAfter: number;
}

export interface BatchOptions {
  /** Elements along the batch dimension; 0: the model has none, and every request runs alone. */
  readonly maxBatchSize: number;
  /** undefined: the default scheduler, in which every request is a batch of its own. */
  readonly dynamic: DynamicBatching | undefined;
}

/** What `dynamic_batching { }` means: as many as there are, without waiting. */
export const DYNAMIC_BATCHING: DynamicBatching = {
  preferred: [],
  delayUs: 0,
  preserveOrdering: false,
  levels: 0,
  defaultLevel: 0,
  defaultPolicy: NO_POLICY,
  policies: new Map(),
  startAfter: 0,
};

/** What the queue must know of a request. */
export interface BatchItem {
  /** The client's id, for messages; may be empty. */
  readonly id: string;
  /** Elements along the batch dimension; 1 where there is none. */
  readonly size: number;
  /** Only requests of equal form run together: the shapes of inputs that are not ragged, and which optional inputs there are. */
  readonly form: string;
  /** 0: the default level. */
  readonly priority: number;
  /** Microseconds in the queue; 0: none asked for. */
  readonly timeoutUs: number;
  /** When its sender gives up; undefined: never. */
  readonly deadlineMs: number | undefined;
}
