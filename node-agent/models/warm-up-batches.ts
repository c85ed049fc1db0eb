/** Makes the batches that a model's configuration wants run before it is ready (model-repository.md section 6). */

import { ServingError } from "../../core/errors.ts";
import type { InferSubmit } from "../../core/messages/infer.ts";
import type { ModelConfiguration, WarmupInput, WarmupSample } from "../../core/model/config/configuration.ts";
import type { ModelFiles } from "../../core/repository/repository.ts";
import { byteSize, elementCount, joinBytesElements, type Tensor } from "../../core/tensor/tensor.ts";
import { BatchAssembler } from "../engines/batch/assemble.ts";
import type { BatchPlan, WarmUp } from "../engines/batch/batch-plan.ts";

const FILE_BYTES_MAX = 256 * 1024 * 1024;

type SampleRequest = Pick<InferSubmit, "inputs" | "outputs">;

/**
 * What the samples' requests are when they run together.
 * @param completed adds what the server gives the model besides a client's tensors
 * @throws ServingError INVALID_ARGUMENT when a file holds too little
 */
export async function warmUpBatches(
  configuration: ModelConfiguration,
  plan: Omit<BatchPlan, "warmUps">,
  files: ModelFiles,
  completed: (request: SampleRequest) => SampleRequest = (request) => request,
): Promise<readonly WarmUp[]> {
  const assembler = new BatchAssembler(plan);
  const warmUps: WarmUp[] = [];
  for (const sample of configuration.warmups) {
    if (sample.batchSize === 0 && configuration.maxBatchSize > 0) continue;
    const requests = await sampleRequests(sample, configuration, files);
    const batch = assembler.assemble(requests.map(completed));
    warmUps.push({ name: sample.name, batch, count: sample.count });
  }
  return warmUps;
}

/** `batch_size` equal requests of one row each; one request where the model takes no batches. */
async function sampleRequests(sample: WarmupSample, { maxBatchSize }: ModelConfiguration, files: ModelFiles) {
  const inputs: Tensor[] = [];
  for (const input of sample.inputs) {
    const shape = maxBatchSize > 0 ? [1, ...input.dims] : input.dims;
    inputs.push({ name: input.name, dtype: input.dtype, shape, data: await inputData(input, files) });
  }
  const request = { inputs, outputs: [] };
  return Array.from({ length: maxBatchSize > 0 ? sample.batchSize : 1 }, () => request);
}

async function inputData({ name, dtype, dims, data }: WarmupInput, files: ModelFiles): Promise<Uint8Array> {
  const bytes = byteSize(dtype, dims);
  if (data.kind === "file") return await fileData(`warmup/${data.file}`, { name, bytes }, files);
  if (bytes === undefined) return joinBytesElements(Array.from({ length: elementCount(dims) }, () => new Uint8Array(0)));
  const made = new Uint8Array(bytes);
  // "Random" only has to differ from zeros; the same at every start is easier to look into.
  if (data.kind === "random") for (let index = 0; index < made.length; index++) made[index] = (index * 31 + 7) & 0x3f;
  return made;
}

async function fileData(
  file: string,
  input: { readonly name: string; readonly bytes: number | undefined },
  files: ModelFiles,
): Promise<Uint8Array> {
  const info = (await files.list()).find(({ name }) => name === file);
  if (info === undefined)
    throw new ServingError("NOT_FOUND", `warm-up file '${file}' for input '${input.name}' is not in the model's folder`);
  const wanted = input.bytes ?? info.bytes;
  if (info.bytes < wanted) {
    throw new ServingError(
      "INVALID_ARGUMENT",
      `warmup setting expects ${wanted} bytes, but the data provided from ${file}only has ${info.bytes} bytes`,
    );
  }
  if (wanted > FILE_BYTES_MAX)
    throw new ServingError("INVALID_ARGUMENT", `warm-up file '${file}' has ${wanted} bytes, at most ${FILE_BYTES_MAX} are read`);
  return await files.readRange(file, 0, wanted);
}
