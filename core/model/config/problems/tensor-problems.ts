/** What is wrong with the inputs and outputs of a configuration, in Triton's words. Pure. */
import {
  type BatchInput,
  BatchInput_KindSchema,
  BatchOutput_KindSchema,
  DataType,
  ModelInput_Format as Format,
  type ModelConfig,
  type ModelInput,
  type ModelOutput,
} from "../../../../protos/gen/model_config_pb.ts";
import { dtypeOf } from "../data-type.ts";
import type { ConfigPath, ConfigProblem } from "./problem.ts";

const TENSORRT_PLATFORM = "tensorrt_plan";

/** Inputs, outputs, then tensors of the batch; each message ends with the model's name. */
export function* tensorProblems(config: ModelConfig): Generator<ConfigProblem> {
  const found = function* (): Generator<ConfigProblem> {
    for (const [index, input] of config.input.entries()) yield* inputProblems(config, input, ["input", index]);
    for (const [index, output] of config.output.entries()) {
      yield* shapeProblems(config, output, "model output ", ["output", index]);
      yield* formatProblems(config, output, "output", ["output", index]);
    }
    yield* batchInputProblems(config);
    yield* batchOutputProblems(config);
  };
  for (const problem of found()) yield { ...problem, message: `${problem.message} for ${config.name}` };
}

function* inputProblems(config: ModelConfig, input: ModelInput, path: ConfigPath): Generator<ConfigProblem> {
  yield* shapeProblems(config, input, "model input ", path);
  if ((input.format === Format.NHWC || input.format === Format.NCHW) && input.dims.length !== 3) {
    yield {
      message: "model input NHWC/NCHW require 3 dims",
      path: [...path, "format"],
      fix: "list height, width and channels in dims, or remove format",
    };
  }
  yield* formatProblems(config, input, "input", path);
}

function* formatProblems(
  { platform }: ModelConfig,
  tensor: ModelInput | ModelOutput,
  what: "input" | "output",
  path: ConfigPath,
): Generator<ConfigProblem> {
  const isTensorRt = platform === TENSORRT_PLATFORM;
  if (tensor.isShapeTensor && !isTensorRt) {
    const message = "shape tensors are only supported for TensorRT platform";
    yield { message, path: [...path, "is_shape_tensor"], fix: "remove is_shape_tensor" };
  }
  if (!tensor.isNonLinearFormatIo) return;
  const at = [...path, "is_non_linear_format_io"];
  if (!isTensorRt) {
    const message = "Non-linear IO format is only supported for the TensorRT platform";
    yield { message, path: at, fix: "remove is_non_linear_format_io" };
  } else if (tensor.dims.length !== 3) {
    yield { message: `Non-linear IO format ${what} requires 3 dims`, path: at, fix: "list three dims" };
  }
}

/** Stops at the tensor's first fault: the next would only follow from it. */
function* shapeProblems(config: ModelConfig, tensor: ModelInput | ModelOutput, prefix: string, path: ConfigPath): Generator<ConfigProblem> {
  if (tensor.name === "") {
    yield { message: `${prefix}must specify 'name'`, path, fix: "add name, as the model file has it" };
    return;
  }
  const named = `${prefix}'${tensor.name}' `;
  if (dtypeOf(tensor.dataType) === undefined) {
    yield { message: `${named}must specify 'data_type'`, path, fix: "add data_type, such as TYPE_FP32" };
    return;
  }
  if (tensor.dims.length === 0) {
    yield { message: `${named}must specify 'dims'`, path, fix: "add dims; for a scalar dims: [ 1 ] and reshape { shape: [ ] }" };
    return;
  }
  if (tensor.reshape?.shape.length === 0 && config.maxBatchSize === 0) {
    const message = `${named}cannot have empty reshape for non-batching model as scalar tensors are not supported`;
    yield { message, path: [...path, "reshape"], fix: "set max_batch_size, or reshape { shape: [ 1 ] }" };
    return;
  }
  const bad = tensor.dims.findIndex(isNoSize);
  if (bad !== -1) {
    const message = `${named}dimension must be integer >= 1, or -1 to indicate a variable-size dimension`;
    yield { message, path: [...path, "dims", bad], fix: "write the size, or -1 where it varies" };
    return;
  }
  yield* reshapeProblems(tensor, named, path);
}

function* reshapeProblems({ dims, reshape }: ModelInput | ModelOutput, named: string, path: ConfigPath): Generator<ConfigProblem> {
  if (reshape === undefined) return;
  const at = [...path, "reshape"];
  const bad = reshape.shape.findIndex(isNoSize);
  if (bad !== -1) {
    const message = `${named}reshape dimensions must be integer >= 1, or -1 to indicate a variable-size dimension`;
    yield { message, path: [...at, "shape", bad], fix: "write the size, or -1 where it varies" };
    return;
  }
  const [from, to] = [runsBetweenVarying(dims), runsBetweenVarying(reshape.shape)];
  const bothVary = from.length > 1 && to.length > 1;
  if (bothVary && from.length !== to.length) {
    const message = `${named}has different number of variable-size dimensions for dims and reshape`;
    yield { message, path: at, fix: "write as many -1 in reshape as in dims" };
  } else if (from.length !== to.length || from.some((count, index) => count !== to[index])) {
    const message = `${named}has different size for dims and reshape`;
    yield { message, path: at, fix: "give reshape the elements of dims, with equal products between the -1" };
  }
}

const isNoSize = (size: bigint): boolean => size < 1n && size !== -1n;

/** The element counts of the runs of sizes that the -1 separate: `[2, 4, -1, 6]` gives `[8, 6]`. */
function runsBetweenVarying(shape: readonly bigint[]): bigint[] {
  const runs: bigint[] = [];
  let count = 1n;
  for (const size of shape) {
    if (size === -1n) {
      runs.push(count);
      count = 1n;
    } else count *= size;
  }
  return [...runs, count];
}

function* batchInputProblems(config: ModelConfig): Generator<ConfigProblem> {
  for (const [index, batchInput] of config.batchInput.entries()) {
    const path = ["batch_input", index];
    const kind = BatchInput_KindSchema.value[batchInput.kind]?.name;
    if (kind === undefined) {
      yield { message: "unknown batch input kind ''", path: [...path, "kind"], fix: kinds(BatchInput_KindSchema.values) };
    } else if (batchInput.sourceInput.length !== 1) {
      const message = `batch input kind '${kind}' expects 1 source input, got ${batchInput.sourceInput.length}`;
      yield { message, path, fix: "name one input in source_input" };
    }
    if (batchInput.dataType !== DataType.TYPE_INT32 && batchInput.dataType !== DataType.TYPE_FP32) {
      const message = "batch input data type must be TYPE_INT32 or TYPE_FP32";
      yield { message, path: batchInput.dataType === DataType.TYPE_INVALID ? path : [...path, "data_type"], fix: "set data_type" };
    }
    yield* sourceProblems(config, batchInput, path);
  }
}

function* batchOutputProblems(config: ModelConfig): Generator<ConfigProblem> {
  for (const [index, batchOutput] of config.batchOutput.entries()) {
    const path = ["batch_output", index];
    const kind = BatchOutput_KindSchema.value[batchOutput.kind]?.name;
    if (kind === undefined) {
      yield { message: "unknown batch output kind ''", path: [...path, "kind"], fix: kinds(BatchOutput_KindSchema.values) };
    } else if (batchOutput.sourceInput.length !== 1) {
      const message = `batch output kind '${kind}' expects 1 source input, got ${batchOutput.sourceInput.length}`;
      yield { message, path, fix: "name one input in source_input" };
    }
    yield* sourceProblems(config, batchOutput, path);
    for (const [position, target] of batchOutput.targetName.entries()) {
      const at = [...path, "target_name", position];
      if (!config.output.some(({ name }) => name === target)) {
        yield { message: `unknown target output name '${target}'`, path: at, fix: "name one of the outputs listed under output" };
      } else if (batchOutput.targetName.indexOf(target) !== position) {
        yield { message: `target output name '${target}' can only be specified once`, path: at, fix: "remove the second mention" };
      }
    }
  }
}

function* sourceProblems(
  config: ModelConfig,
  { sourceInput }: Pick<BatchInput, "sourceInput">,
  path: ConfigPath,
): Generator<ConfigProblem> {
  for (const [position, source] of sourceInput.entries()) {
    if (config.input.some(({ name }) => name === source)) continue;
    const fix = "name one of the inputs listed under input";
    yield { message: `unknown source input name '${source}'`, path: [...path, "source_input", position], fix };
  }
}

const kinds = (values: readonly { readonly name: string }[]): string => `use one of ${values.map(({ name }) => name).join(", ")}`;
