/** Tensors that tell a model what belongs to which request of a batch whose inputs are ragged. Source: Triton's ModelBatchInput. Pure. */
import type { BatchInputConfiguration } from "../../../core/model/config/configuration.ts";
import { elementCount, type Shape, type Tensor } from "../../../core/tensor/tensor.ts";
import type { BatchInput } from "../../../core/wire/model-runner.ts";

/** @param sources the source input's tensor in each request, with its batch dimension in front */
export function batchInputs({ kind, targets, dtype }: BatchInputConfiguration, sources: readonly Tensor[]): readonly BatchInput[] {
  const { shape, values } = content(
    kind,
    sources.map((tensor) => tensor.shape),
  );
  const typed = dtype === "INT32" ? Int32Array.from(values) : Float32Array.from(values);
  const parts = [new Uint8Array(typed.buffer)];
  return targets.map((name) => ({ head: { name, dtype, shape }, parts }));
}

function content(
  kind: BatchInputConfiguration["kind"],
  shapes: readonly Shape[],
): { readonly shape: Shape; readonly values: readonly number[] } {
  const counts = shapes.map(elementCount);
  switch (kind) {
    case "BATCH_ELEMENT_COUNT":
      return { shape: [counts.length], values: counts };
    case "BATCH_ACCUMULATED_ELEMENT_COUNT":
      return { shape: [counts.length], values: sums(counts) };
    case "BATCH_ACCUMULATED_ELEMENT_COUNT_WITH_ZERO":
      return { shape: [counts.length + 1], values: [0, ...sums(counts)] };
    case "BATCH_MAX_ELEMENT_COUNT_AS_SHAPE": {
      const most = Math.max(0, ...counts); // only the shape says something
      return { shape: [most], values: new Array<number>(most).fill(0) };
    }
    case "BATCH_ITEM_SHAPE":
    case "BATCH_ITEM_SHAPE_FLATTEN": {
      const items = shapes.flatMap(([rows = 1, ...item]) => Array.from({ length: rows }, () => item));
      const values = items.flat();
      return { shape: kind === "BATCH_ITEM_SHAPE" ? [items.length, items[0]?.length ?? 0] : [values.length], values };
    }
  }
}

function sums(counts: readonly number[]): readonly number[] {
  let sum = 0;
  return counts.map((count) => {
    sum += count;
    return sum;
  });
}
