/** Auto-completes the configuration of an ONNX model from what the model file says of itself, as Triton's backend does. Pure. */
import { clone, create } from "@bufbuild/protobuf";
import {
  DataType,
  type ModelConfig,
  ModelConfigSchema,
  ModelDynamicBatchingSchema,
  ModelInputSchema,
  ModelOutputSchema,
  ModelTensorReshapeSchema,
} from "../../../protos/gen/model_config_pb.ts";
import type { ModelPort, ModelSignature } from "../../wire/model-runner.ts";
import { dataTypeOf } from "./data-type.ts";
import { serverTensors } from "./onnx-tensors.ts";
import type { ConfigProblem } from "./problems/problem.ts";

/** Triton's backend option `default-max-batch-size`. */
export const DEFAULT_MAX_BATCH_SIZE = 4;

export interface CompletedConfig {
  readonly config: ModelConfig;
  readonly problems: readonly ConfigProblem[];
}

/**
 * A copy with max_batch_size, dynamic batching, inputs and outputs filled in; what is given stays. A configuration that lists its
 * inputs and its outputs completely stays as it is: it may mean a batch dimension that is none.
 */
export function completeFromOnnx(
  given: ModelConfig,
  signature: ModelSignature,
  options: { readonly defaultMaxBatchSize: number } = { defaultMaxBatchSize: DEFAULT_MAX_BATCH_SIZE },
): CompletedConfig {
  const config = clone(ModelConfigSchema, given);
  const hasInputs = config.input.length + config.batchInput.length > 0;
  if (hasInputs && config.output.length > 0 && [...config.input, ...config.output].every(isComplete)) return { config, problems: [] };
  const problem = completeBatching(config, signature, options.defaultMaxBatchSize);
  if (problem !== undefined) return { config, problems: [problem] };
  completeTensors(config, signature);
  return { config, problems: [] };
}

const isComplete = ({ dataType, dims }: { readonly dataType: DataType; readonly dims: readonly bigint[] }): boolean =>
  dataType !== DataType.TYPE_INVALID && dims.length > 0;

/** A model batches when the first size of every input and every output varies. */
function completeBatching(config: ModelConfig, signature: ModelSignature, defaultMaxBatchSize: number): ConfigProblem | undefined {
  const batches = [...signature.inputs.filter(({ optional }) => !optional), ...signature.outputs].every(({ shape }) => shape[0] === -1);
  if (!batches) {
    if (config.maxBatchSize === 0) return undefined;
    return {
      message: `autofill failed for model '${config.name}': model does not support batching while non-zero max_batch_size is specified`,
      path: ["max_batch_size"],
      fix: "set max_batch_size: 0, or export the model with a first dimension that varies",
    };
  }
  if (config.maxBatchSize === 0) config.maxBatchSize = defaultMaxBatchSize;
  if (config.maxBatchSize > 1 && config.schedulingChoice.case === undefined) {
    config.schedulingChoice = { case: "dynamicBatching", value: create(ModelDynamicBatchingSchema) };
  }
  return undefined;
}

/** Tensors are merged by name; missing inputs are added, outputs only where none is listed: a list of outputs is a choice. */
function completeTensors(config: ModelConfig, signature: ModelSignature): void {
  const batches = config.maxBatchSize > 0;
  const byServer = serverTensors(config);
  for (const port of signature.inputs) {
    const known = config.input.find(({ name }) => name === port.name);
    if (known !== undefined) completeTensor(known, port, batches);
    else if (!port.optional && !byServer.inputs.has(port.name)) config.input.push(create(ModelInputSchema, tensorOf(port, batches)));
  }
  const choosesOutputs = config.output.length > 0;
  for (const port of signature.outputs) {
    const known = config.output.find(({ name }) => name === port.name);
    if (known !== undefined) completeTensor(known, port, batches);
    else if (!choosesOutputs && !byServer.outputs.has(port.name)) config.output.push(create(ModelOutputSchema, tensorOf(port, batches)));
  }
}

type Tensor = ModelConfig["input"][number] | ModelConfig["output"][number];

function completeTensor(tensor: Tensor, port: ModelPort, batches: boolean): void {
  const own = tensorOf(port, batches);
  if (tensor.dataType === DataType.TYPE_INVALID) tensor.dataType = own.dataType;
  if (tensor.dims.length > 0) return;
  tensor.dims = own.dims;
  tensor.reshape ??= own.reshape;
}

/** A scalar has dims [1]; where the model batches it is reshaped to nothing but the batch dimension. */
function tensorOf(port: ModelPort, batches: boolean): Pick<Tensor, "name" | "dataType" | "dims" | "reshape"> {
  const dims = port.shape.slice(batches ? 1 : 0).map(BigInt);
  const isScalar = dims.length === 0;
  return {
    name: port.name,
    dataType: dataTypeOf(port.dtype),
    dims: isScalar ? [1n] : dims,
    reshape: isScalar && batches ? create(ModelTensorReshapeSchema) : undefined,
  };
}
