/** The raw binary request: a body that is one tensor, whose name and shape follow from the model. Pure. */
import { DTYPES } from "../../../core/tensor/dtype.ts";
import { joinBytesElements, type Tensor } from "../../../core/tensor/tensor.ts";
import type { ModelView, TensorSpec } from "../../serving/model-catalog.ts";
import { invalid, requestPrefix } from "../triton-error.ts";

/** @param data the whole body, no Buffer @throws ServingError INVALID_ARGUMENT when the model does not say what it is */
export function rawInput(data: Uint8Array, view: ModelView): Tensor {
  const [spec] = view.inputs;
  if (spec === undefined || view.inputs.length !== 1) {
    const found = `Raw request must only have 1 input (found 1) to be deduced but got ${view.inputs.length} inputs`;
    throw refused(`${found} in '${view.name}' model configuration`);
  }
  const { name, dtype } = spec;
  const batch = view.maxBatchSize > 0 ? [1] : [];
  const dims = spec.shape.slice(batch.length);
  if (dtype === "BYTES") {
    if (dims.length !== 1 || dims[0] !== 1) throw refused(`For BYTE datatype raw input '${name}', the model must have input shape [1]`);
    return { name, dtype, shape: [...batch, 1], data: joinBytesElements([data]) };
  }
  return { name, dtype, shape: [...batch, ...deducedDims(spec, dims, data.byteLength, view)], data };
}

function deducedDims({ name, dtype }: TensorSpec, dims: readonly number[], bytes: number, view: ModelView): readonly number[] {
  if (dims.filter((size) => size === -1).length > 1) {
    throw refused(`The shape of the raw input '${name}' can not be deduced because there are more than one variable-sized dimension`);
  }
  const fixed = dims.reduce((product, size) => (size === -1 ? product : product * size), DTYPES[dtype].bytes);
  const variable = Math.floor(bytes / fixed);
  const expected = dims.includes(-1) ? variable * fixed : fixed;
  if (expected !== bytes) {
    // Triton has not told the request the input's own name yet.
    throw refused(`input byte size mismatch for input 'raw_input' for model '${view.name}'. Expected ${expected}, got ${bytes}`);
  }
  return dims.map((size) => (size === -1 ? variable : size));
}

function refused(text: string) {
  return invalid(requestPrefix("") + text);
}
