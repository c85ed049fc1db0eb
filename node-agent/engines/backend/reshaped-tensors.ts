/** Tensors of a request as the model sees them, and of an answer as clients do, where the configuration reshapes. Pure. */
import type { Tensor } from "../../../core/tensor/tensor.ts";
import type { BatchPlan, PlannedTensor } from "../batch/batch-plan.ts";
import { reshaped } from "../batch/reshape.ts";

type Plan = Pick<BatchPlan, "inputs" | "outputs" | "maxBatchSize">;

export function givenTensors(tensors: readonly Tensor[], { inputs, maxBatchSize }: Plan): readonly Tensor[] {
  return changed(tensors, inputs, (tensor, { dims, reshape = dims }) =>
    reshaped(tensor.shape, { from: dims, to: reshape, batchDimensions: maxBatchSize > 0 ? 1 : 0 }),
  );
}

export function visibleTensors(tensors: readonly Tensor[], { outputs, maxBatchSize }: Plan): readonly Tensor[] {
  return changed(tensors, outputs, (tensor, { dims, reshape = dims }) =>
    reshaped(tensor.shape, { from: reshape, to: dims, batchDimensions: maxBatchSize > 0 ? 1 : 0 }),
  );
}

/** The same list where nothing is reshaped. */
function changed(
  tensors: readonly Tensor[],
  planned: readonly PlannedTensor[],
  shape: (tensor: Tensor, planned: PlannedTensor) => Tensor["shape"],
): readonly Tensor[] {
  if (planned.every(({ reshape }) => reshape === undefined)) return tensors;
  return tensors.map((tensor) => {
    const plan = planned.find(({ name, reshape }) => name === tensor.name && reshape !== undefined);
    return plan === undefined ? tensor : { ...tensor, shape: shape(tensor, plan) };
  });
}
