/** Where a configuration and its ONNX model do not fit, in the words of Triton's backend. Pure. */
import {
  type ModelSequenceBatching_Control as Control,
  ModelSequenceBatching_Control_Kind as Kind,
  type ModelConfig,
  type ModelInput,
  type ModelOutput,
} from "../../../../protos/gen/model_config_pb.ts";
import { DTYPES } from "../../../tensor/dtype.ts";
import type { ModelPort, ModelSignature } from "../../../wire/model-runner.ts";
import { dataTypeName, dtypeOf } from "../data-type.ts";
import { serverTensors } from "../onnx-tensors.ts";
import type { ConfigPath, ConfigProblem } from "./problem.ts";

/** @param config complete, and without problems of its own */
export function* onnxProblems(config: ModelConfig, signature: ModelSignature): Generator<ConfigProblem> {
  yield* controlProblems(config, signature);
  yield* inputCountProblems(config, signature);
  for (const [index, input] of config.input.entries()) yield* inputProblems(config, input, signature, ["input", index]);
  for (const [index, output] of config.output.entries()) yield* outputProblems(config, output, signature, ["output", index]);
  yield* stateProblems(config, signature);
  yield* acceleratorProblems(config);
}

/** OpenVINO is accepted and the plain CPU used instead: it changes speed, not answers. */
function* acceleratorProblems({ optimization }: ModelConfig): Generator<ConfigProblem> {
  for (const [index, { name }] of (optimization?.executionAccelerators?.cpuExecutionAccelerator ?? []).entries()) {
    if (name === "openvino") continue;
    const path = ["optimization", "execution_accelerators", "cpu_execution_accelerator", index];
    yield { message: `unknown Execution Accelerator '${name}' is requested`, path, fix: "remove it" };
  }
}

function* inputCountProblems(config: ModelConfig, signature: ModelSignature): Generator<ConfigProblem> {
  const fromServer = serverTensors(config).inputs;
  const expected = config.input.filter(({ optional, name }) => !optional && !fromServer.has(name)).length + fromServer.size;
  const required = signature.inputs.filter(({ optional }) => !optional);
  if (expected === required.length) return;
  const listed = new Set([...config.input.map(({ name }) => name), ...fromServer]);
  const missing = required.filter(({ name }) => !listed.has(name)).map(({ name }) => name);
  yield {
    message: `unable to load model '${config.name}', configuration expects ${expected} inputs, model provides ${required.length}`,
    path: ["input"],
    fix: missing.length > 0 ? `add ${missing.join(", ")} to input` : "list every input of the model once, and nothing else",
  };
}

function* inputProblems(config: ModelConfig, input: ModelInput, signature: ModelSignature, path: ConfigPath): Generator<ConfigProblem> {
  if (input.optional && config.maxBatchSize !== 0) {
    const message = `unable to load model '${config.name}', optional input '${input.name}' is not supported for models that support batching`;
    yield { message, path: [...path, "optional"], fix: "remove optional, or set max_batch_size: 0" };
  }
  const port = signature.inputs.find(({ name }) => name === input.name);
  if (port === undefined) {
    yield unexpectedTensor("input", input.name, signature.inputs, path);
    return;
  }
  yield* datatypeProblems(config, input, port, "input", path);
  if (input.allowRaggedBatch) yield* raggedProblems(config, input, port, path);
  else yield* shapeProblems(config, input, port, { exact: false, path });
}

function* outputProblems(config: ModelConfig, output: ModelOutput, signature: ModelSignature, path: ConfigPath): Generator<ConfigProblem> {
  const port = signature.outputs.find(({ name }) => name === output.name);
  if (port === undefined) {
    yield unexpectedTensor("output", output.name, signature.outputs, path);
    return;
  }
  yield* datatypeProblems(config, output, port, "output", path);
  // What the batch scatters needs not look like what the model gives.
  const isScattered = config.batchOutput.some(({ targetName }) => targetName.includes(output.name));
  if (!isScattered) yield* shapeProblems(config, output, port, { exact: true, path });
}

function unexpectedTensor(what: "input" | "output", name: string, ports: readonly ModelPort[], path: ConfigPath): ConfigProblem {
  const allowed = ports.map((port) => port.name).sort();
  const message = `unexpected inference ${what} '${name}', allowed ${what}s are: ${allowed.join(", ")}`;
  return { message, path: [...path, "name"], fix: "use a name that the model file has" };
}

function* datatypeProblems(
  { name: model }: ModelConfig,
  { name, dataType }: { readonly name: string; readonly dataType: ModelInput["dataType"] },
  port: ModelPort,
  what: "input" | "output" | "output state",
  path: ConfigPath,
): Generator<ConfigProblem> {
  if (dtypeOf(dataType) === port.dtype) return;
  const provided = `TYPE_${port.dtype}`; // a text is TYPE_BYTES here, in Triton too
  const message = `unable to load model '${model}', configuration expects datatype ${dataTypeName(dataType)} for ${what} '${name}', model provides ${provided}`;
  yield { message, path: [...path, "data_type"], fix: `set data_type: ${DTYPES[port.dtype].configName}` };
}

function* raggedProblems(config: ModelConfig, input: ModelInput, port: ModelPort, path: ConfigPath): Generator<ConfigProblem> {
  const at = [...path, "allow_ragged_batch"];
  const expects = `unable to load model '${config.name}', configuration expects model provides input with shape [-1] `;
  if (input.optional) {
    const message = `${expects}for ragged input '${input.name}', which is not supported for optional input`;
    yield { message, path: at, fix: "remove optional or allow_ragged_batch" };
  } else if (port.shape.length !== 1 || port.shape[0] !== -1) {
    const message = `${expects} for ragged input '${input.name}', model provides ${shapeText(port.shape)}`;
    yield { message, path: at, fix: "remove allow_ragged_batch, or let the model take the batch's elements flat" };
  }
}

interface ShapeComparison {
  /** Outputs: what varies in the model varies in the configuration. */
  readonly exact: boolean;
  readonly path: ConfigPath;
}

function* shapeProblems(
  config: ModelConfig,
  { name, dims, reshape }: ModelInput | ModelOutput,
  { shape }: ModelPort,
  { exact, path }: ShapeComparison,
): Generator<ConfigProblem> {
  const own = (reshape?.shape ?? dims).map(Number);
  const at = [...path, reshape === undefined ? "dims" : "reshape"];
  if (shape.length === 0) {
    if (own.every((size) => size === 1)) return;
    const message = `unable to load model '${config.name}', scalar tensor '${name}', should only provide 1 in the model configuration when the model doesn't support batching. Model configuration provided: ${shapeText(own)}.`;
    yield { message, path: at, fix: "write dims: [ 1 ]" };
    return;
  }
  const subject = `model '${config.name}', tensor '${name}': `;
  const batches = config.maxBatchSize > 0;
  if (batches && shape[0] !== -1) {
    const message = `${subject}for the model to support batching the shape should have at least 1 dimension and the first dimension must be -1; but shape expected by the model is ${shapeText(shape)}`;
    yield { message, path: ["max_batch_size"], fix: "set max_batch_size: 0, or export the model with a first dimension that varies" };
    return;
  }
  const full = batches ? [-1, ...own] : own;
  const fits = full.length === shape.length && shape.every((size, index) => size === full[index] || (!exact && size === -1));
  if (fits) return;
  const configured = batches
    ? `${full.length} dimensions (an initial batch dimension because max_batch_size > 0 followed by the explicit tensor shape, making complete shape ${shapeText(full)})`
    : `${full.length} dimensions (shape ${shapeText(full)})`;
  const message = `${subject}the model expects ${shape.length} dimensions (shape ${shapeText(shape)}) but the model configuration specifies ${configured}`;
  yield { message, path: at, fix: `write ${shapeText(shape.slice(batches ? 1 : 0))}${batches ? ", without the batch" : ""}` };
}

const shapeText = (shape: readonly number[]): string => `[${shape.join(",")}]`;

function* controlProblems(config: ModelConfig, signature: ModelSignature): Generator<ConfigProblem> {
  if (config.schedulingChoice.case !== "sequenceBatching") return;
  for (const [index, { name, control }] of config.schedulingChoice.value.controlInput.entries()) {
    const path = ["sequence_batching", "control_input", index];
    const port = signature.inputs.find((one) => one.name === name);
    const [first] = control;
    if (first === undefined) continue;
    if (port === undefined) {
      const message = `configuration specified sequence control '${name}', but model does not provide that input`;
      yield { message, path: [...path, "name"], fix: "use the name of one of the model's inputs" };
      continue;
    }
    const own = port.shape.slice(config.maxBatchSize > 0 ? 1 : 0);
    const subject = `unable to load model '${config.name}', sequence control '${name}'`;
    if (own.length !== 1 || own[0] !== 1) {
      const message = `${subject} in model has dims ${shapeText(own)} but dims [1] is expected`;
      yield { message, path, fix: "export the model with shape [1] for this input, after the batch dimension" };
    }
    const dataType = controlType(first);
    if (dataType !== DTYPES[port.dtype].configName) {
      const message = `${subject}, the model expects data-type ${ONNX_NAMES[port.dtype] ?? port.dtype} but the model configuration specifies data-type ${dataType}`;
      yield { message, path, fix: `use the field for ${DTYPES[port.dtype].configName}` };
    }
  }
}

/** What ONNX Runtime calls datatypes, where that is not what the protocols call them. */
const ONNX_NAMES: Readonly<Record<string, string>> = {
  FP16: "FLOAT16",
  FP32: "FLOAT",
  FP64: "DOUBLE",
  BF16: "BFLOAT16",
  BYTES: "STRING",
};

function controlType({ kind, int32FalseTrue, fp32FalseTrue, dataType }: Control): string {
  if (kind === Kind.CONTROL_SEQUENCE_CORRID) return dataTypeName(dataType);
  if (int32FalseTrue.length > 0) return "TYPE_INT32";
  return fp32FalseTrue.length > 0 ? "TYPE_FP32" : "TYPE_BOOL";
}

function* stateProblems(config: ModelConfig, signature: ModelSignature): Generator<ConfigProblem> {
  if (config.schedulingChoice.case !== "sequenceBatching") return;
  for (const [index, { inputName, outputName, dataType }] of config.schedulingChoice.value.state.entries()) {
    const path = ["sequence_batching", "state", index];
    const input = signature.inputs.find(({ name }) => name === inputName);
    const output = signature.outputs.find(({ name }) => name === outputName);
    if (input === undefined) yield { ...unexpectedTensor("input", inputName, signature.inputs, path), path: [...path, "input_name"] };
    if (output === undefined) yield { ...unexpectedTensor("output", outputName, signature.outputs, path), path: [...path, "output_name"] };
    else yield* datatypeProblems(config, { name: outputName, dataType }, output, "output state", path);
  }
}
