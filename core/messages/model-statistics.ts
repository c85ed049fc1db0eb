/** What an agent says of the work that model versions have done on it; gateways add the nodes up. Pure. */
import { type Static, Type } from "typebox";
import { CustomSeries } from "./custom-metrics.ts";

const Count = Type.Integer({ minimum: 0 });
/** How often, and nanoseconds of all of them together. */
const Duration = Type.Tuple([Count, Count]);
/** As `core/telemetry/latency-bins.ts` has them. */
const Bins = Type.Array(Count);

/** Answers at one place among those of their request. */
const ResponsePlace = Type.Object({
  computeInfer: Duration,
  computeOutput: Duration,
  success: Duration,
  fail: Duration,
  empty: Duration,
  cancel: Duration,
});

export const NodeModelStatistics = Type.Object({
  model: Type.String(),
  version: Type.String(),
  /** Loads that are over, added up: what was counted stays counted. */
  past: Type.Boolean(),
  /** Unix milliseconds; 0: never. */
  lastInferenceMs: Count,
  inferenceCount: Count,
  executionCount: Count,
  success: Duration,
  fail: Duration,
  queue: Duration,
  computeInput: Duration,
  computeInfer: Duration,
  computeOutput: Duration,
  cacheHit: Duration,
  cacheMiss: Duration,
  /** By batch size. */
  batches: Type.Array(Type.Object({ size: Count, computeInput: Duration, computeInfer: Duration, computeOutput: Duration })),
  /** Requests that failed, by Triton's reasons. */
  failures: Type.Object({ REJECTED: Count, CANCELED: Count, BACKEND: Count, OTHER: Count }),
  /** How long requests that succeeded were here, and in each stage. */
  latencies: Type.Object({ request: Bins, queue: Bins, computeInput: Bins, computeInfer: Bins, computeOutput: Bins }),
  /** Of models that answer any number of times: by place, and how long requests waited for their first answer. */
  responses: Type.Optional(Type.Object({ places: Type.Array(ResponsePlace), first: Duration, firstBins: Bins })),
  /** What the model measures itself. */
  custom: Type.Optional(Type.Array(CustomSeries)),
  /** Its answers are kept and found again. */
  cached: Type.Boolean(),
  /** Requests that wait, and that run, now. */
  pending: Count,
  running: Count,
  /** Milliseconds that loading took; 0 of past loads. */
  loadMs: Type.Number({ minimum: 0 }),
  /** Memory of the processes that run it, now. */
  residentBytes: Count,
});

/** The node's response cache. */
const CacheStatistics = Type.Object({
  lookups: Count,
  hits: Count,
  misses: Count,
  evictions: Count,
  entries: Count,
  bytes: Count,
  bytesMax: Count,
});

export const NodeStatistics = Type.Object({
  /** Of the agent: counts begin anew with another one. */
  incarnation: Type.String(),
  models: Type.Array(NodeModelStatistics),
  cache: Type.Optional(CacheStatistics),
});

export type NodeModelStatistics = Static<typeof NodeModelStatistics>;
export type NodeStatistics = Static<typeof NodeStatistics>;
