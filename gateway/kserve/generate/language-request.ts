/** A request for text as tensors, read as the generate extension reads it as JSON: the same names, limits and defaults. Pure. */
import { ServingError } from "../../../core/errors.ts";
import type { ParameterValue } from "../../../core/messages/parameter-value.ts";
import { bytesElements, type Tensor } from "../../../core/tensor/tensor.ts";
import type { InferRequest } from "../../serving/inference.ts";
import { type GenerateCall, parseGenerateRequest } from "./generate-request.ts";

/** @param request checked against a language model's inputs @throws ServingError INVALID_ARGUMENT for values out of range */
export function languageCall({ inputs, parameters }: Pick<InferRequest, "inputs" | "parameters">): GenerateCall {
  const fields = {
    parameters: Object.fromEntries(Array.from(parameters, ([name, value]) => [name, plain(name, value)])),
    ...Object.fromEntries(inputs.map((input) => [input.name, elementsOf(input)])),
  };
  const call = parseGenerateRequest(Buffer.from(JSON.stringify(fields)));
  const seed = inputs.find(({ name }) => name === "random_seed");
  if (seed === undefined) return call;
  return { ...call, sampling: { ...call.sampling, seed: new DataView(seed.data.buffer, seed.data.byteOffset).getBigUint64(0, true) } };
}

function elementsOf({ name, dtype, data }: Tensor): readonly (string | number | boolean)[] {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const read = (bytes: number, at: (offset: number) => number | boolean) =>
    Array.from({ length: data.byteLength / bytes }, (_, index) => plainElement(name, at(index * bytes)));
  switch (dtype) {
    case "BYTES":
      return bytesElements(data).map((element) => Buffer.from(element).toString("utf8"));
    case "INT32":
      return read(4, (offset) => view.getInt32(offset, true));
    case "UINT64":
      return read(8, (offset) => Number(view.getBigUint64(offset, true)));
    case "FP32":
      return read(4, (offset) => view.getFloat32(offset, true));
    case "BOOL":
      return read(1, (offset) => view.getUint8(offset) !== 0);
    default:
      throw new ServingError("INVALID_ARGUMENT", `input '${name}' has the datatype ${dtype}, which no language model takes`);
  }
}

function plain(name: string, value: ParameterValue): string | number | boolean {
  return typeof value === "string" ? value : plainElement(name, typeof value === "bigint" ? Number(value) : value);
}

function plainElement(name: string, value: number | boolean): number | boolean {
  if (typeof value === "boolean" || Number.isFinite(value)) return value;
  throw new ServingError("INVALID_ARGUMENT", `input '${name}' is not finite`);
}
