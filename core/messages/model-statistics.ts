/** What an agent says of the work that a model version has done on it; gateways add the nodes up. Pure. */
import { type Static, Type } from "typebox";

const Count = Type.Integer({ minimum: 0 });
/** How often, and nanoseconds of all of them together. */
const Duration = Type.Tuple([Count, Count]);

export const NodeModelStatistics = Type.Object({
  model: Type.String(),
  version: Type.String(),
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
});

export const NodeStatistics = Type.Array(NodeModelStatistics);

export type NodeModelStatistics = Static<typeof NodeModelStatistics>;
