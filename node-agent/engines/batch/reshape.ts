/** Shapes between what clients see and what the model sees: the same elements, differently counted. Pure. */
import type { Shape } from "../../../core/tensor/tensor.ts";

/**
 * The sizes of `to`, in which every -1 takes the size that stands at the -1 of the same rank in `from`.
 * @param shape with the batch dimensions in front, which stay
 */
export function reshaped(
  shape: Shape,
  { from, to, batchDimensions }: { readonly from: Shape; readonly to: Shape; readonly batchDimensions: 0 | 1 },
): Shape {
  const varying = from.flatMap((size, axis) => (size === -1 ? [shape[axis + batchDimensions] ?? 0] : []));
  let next = 0;
  return [...shape.slice(0, batchDimensions), ...to.map((size) => (size === -1 ? (varying[next++] ?? 0) : size))];
}
