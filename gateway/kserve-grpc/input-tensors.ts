/** The tensors of a request: from its raw contents, from typed contents, or from shared memory. */
import { isDtype } from "../../core/tensor/dtype.ts";
import type { Tensor } from "../../core/tensor/tensor.ts";
import type { SharedMemoryRegions } from "../kserve/shared-memory.ts";
import { invalid, requestPrefix } from "../kserve/triton-error.ts";
import type { ModelView } from "../serving/model-catalog.ts";
import type { WireInferRequest, WireInput } from "./request-decoder.ts";
import { sharedRange } from "./shared-range.ts";
import { contentsData } from "./typed-contents.ts";

/**
 * @param regions to be called where an input lies in shared memory
 * @throws ServingError with Triton's text; what `regions` throws
 */
export function inputTensors(request: WireInferRequest, view: ModelView, regions: () => SharedMemoryRegions): readonly Tensor[] {
  const { inputs, raw, model } = request;
  let rawUsed = 0;
  const tensors: Tensor[] = [];
  for (const input of inputs) {
    const { name, shape, datatype, contents } = input;
    if (tensors.some((tensor) => tensor.name === name))
      throw invalid(`${requestPrefix(request.id)}input '${name}' already exists in request`);
    const range = input.parameters.size === 0 ? undefined : sharedRange(input.parameters);
    let data: Uint8Array;
    if (range !== undefined) {
      if (contents !== undefined) {
        throw invalid(`unexpected 'content' provided when using shared memory for input tensor '${name}' for model '${model}'`);
      }
      using lease = regions().lease(range);
      data = lease.read();
    } else if (raw.length > 0) {
      if (contents !== undefined) {
        throw invalid(`contents field must not be specified when using raw_input_contents for '${name}' for model '${model}'`);
      }
      data = raw[rawUsed++] ?? missing(input, model);
    } else {
      const dtype = isDtype(datatype) ? datatype : undefined;
      data = contents === undefined ? missing(input, model) : contentsData(contents, { input: name, model, dtype });
    }
    tensors.push({ name, dtype: isDtype(datatype) ? datatype : refuseDatatype(input, request, view), shape, data });
  }
  if (rawUsed < raw.length) throw invalid(`unexpected additional input data for model '${model}'`);
  return tensors;
}

function missing({ name }: WireInput, model: string): never {
  throw invalid(`unable to find data for input tensor '${name}' for model '${model}' in request.`);
}

/** What the core would say: it knows no such datatype. */
function refuseDatatype({ name }: WireInput, { id, model }: WireInferRequest, view: ModelView): never {
  const expected = view.inputs.find((input) => input.name === name);
  if (expected === undefined) throw invalid(`unexpected inference input '${name}' for model '${model}'`);
  const types = `data-type is '<invalid>', but model '${model}' expects '${expected.dtype}'`;
  throw invalid(`${requestPrefix(id)}inference input '${name}' ${types}`);
}
