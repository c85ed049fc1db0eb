/** Inferences as gRPC messages: the inputs' bytes travel raw, as they are. Pure. */
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { ParameterValue } from "../../core/messages/parameter-value.ts";
import { isDtype } from "../../core/tensor/dtype.ts";
import type {
  InferParameter,
  InferParameterSchema,
  ModelInferRequestSchema,
  ModelInferResponse,
} from "../../protos/gen/grpc_service_pb.ts";
import { unreadable } from "../client-error.ts";
import { type InferRequest, type RequestedOutput, requestedOutput, requestParameters } from "../infer-request.ts";
import { InferResult } from "../infer-result.ts";
import { OutputTensor } from "../output-tensor.ts";
import type { SharedRange } from "../tensor-input.ts";

type ParameterInit = MessageInitShape<typeof InferParameterSchema>;
type Parameters = Record<string, ParameterInit>;

export interface InferMessageOptions {
  /** On streams: whether a decoupled model's end is told by an answer without outputs. */
  readonly emptyFinal: boolean;
}

/** @throws ClientError INVALID_ARGUMENT for parameters with reserved names */
export function inferMessage(request: InferRequest, { emptyFinal }: InferMessageOptions): MessageInitShape<typeof ModelInferRequestSchema> {
  const parameters = parameterMessages(requestParameters(request));
  const { model, version = "", id = "", inputs, outputs = [] } = request;
  return {
    modelName: model,
    modelVersion: version,
    id,
    parameters: emptyFinal ? { ...parameters, triton_enable_empty_final_response: flag(true) } : parameters,
    inputs: inputs.map((input) => ({
      name: input.name,
      datatype: input.dtype,
      shape: input.shape.map(BigInt),
      ...("shared" in input && { parameters: rangeMessages(input.shared) }),
    })),
    outputs: outputs.map((output) => outputMessage(requestedOutput(output))),
    rawInputContents: inputs.flatMap((input) => ("shared" in input ? [] : [input.data])),
  };
}

/** The names of outputs that the server writes into shared memory. */
export function sharedOutputs({ outputs = [] }: InferRequest): ReadonlySet<string> {
  return new Set(outputs.flatMap((output) => (typeof output === "object" && output.shared !== undefined ? [output.name] : [])));
}

/** @throws ClientError INTERNAL for an answer without the outputs' bytes, or with a datatype that there is not */
export function inferResult(message: ModelInferResponse, shared: ReadonlySet<string>): InferResult {
  const { modelName, modelVersion, id, parameters, outputs, rawOutputContents } = message;
  return new InferResult({
    model: modelName,
    version: modelVersion,
    id,
    parameters: parameterMap(parameters),
    outputs: outputs.map(({ name, datatype, shape }, index) => {
      const bytes = rawOutputContents[index];
      if (!isDtype(datatype) || bytes === undefined) throw unreadable(`output '${name}' of ${datatype} without its bytes`);
      return new OutputTensor({ name, dtype: datatype, shape: shape.map(Number) }, shared.has(name) ? undefined : bytes);
    }),
  });
}

function outputMessage({ name, classes, shared }: RequestedOutput) {
  const parameters: Parameters = {
    ...(classes !== undefined && { classification: integer(classes) }),
    ...(shared !== undefined && rangeMessages(shared)),
  };
  return { name, parameters };
}

function rangeMessages({ region, bytes, offset = 0 }: SharedRange): Parameters {
  return {
    shared_memory_region: text(region),
    shared_memory_byte_size: integer(bytes),
    ...(offset !== 0 && { shared_memory_offset: integer(offset) }),
  };
}

function parameterMessages(parameters: ReadonlyMap<string, ParameterValue>): Parameters {
  return Object.fromEntries(Array.from(parameters, ([name, value]) => [name, parameterMessage(signedId(name, value))]));
}

/** Whole numbers are integers: the service takes priorities and timeouts as such, too. */
function parameterMessage(value: ParameterValue): ParameterInit {
  if (typeof value === "string") return text(value);
  if (typeof value === "boolean") return flag(value);
  if (typeof value === "number" && !Number.isInteger(value)) return { parameterChoice: { case: "doubleParam", value } };
  return integer(value);
}

/** Ids of sequences have 64 bits without a sign, and travel in an integer that has one: the bits are the same. */
function signedId(name: string, value: ParameterValue): ParameterValue {
  return name === "sequence_id" && typeof value === "bigint" && value < 2n ** 64n ? BigInt.asIntN(64, value) : value;
}

function flag(value: boolean): ParameterInit {
  return { parameterChoice: { case: "boolParam", value } };
}

function text(value: string): ParameterInit {
  return { parameterChoice: { case: "stringParam", value } };
}

function integer(value: number | bigint): ParameterInit {
  return { parameterChoice: { case: "int64Param", value: BigInt(value) } };
}

function parameterMap(parameters: Readonly<Record<string, InferParameter>>): ReadonlyMap<string, ParameterValue> {
  const known = new Map<string, ParameterValue>();
  for (const [name, { parameterChoice }] of Object.entries(parameters)) {
    if (parameterChoice.case !== undefined) known.set(name, parameterChoice.value);
  }
  return known;
}
