/** The part of a client's shared memory that a tensor's parameters name. Pure. */
import type { SharedRange } from "../kserve/infer/infer-head.ts";
import { invalid } from "../kserve/triton-error.ts";
import type { WireParameters } from "./request-decoder.ts";

/** undefined: none is named. @throws ServingError INVALID_ARGUMENT with Triton's text */
export function sharedRange(parameters: WireParameters): SharedRange | undefined {
  const region = parameters.get("shared_memory_region");
  const size = parameters.get("shared_memory_byte_size");
  const offset = parameters.get("shared_memory_offset");
  if (region === undefined && size === undefined) return undefined;
  if (region === undefined || size === undefined)
    throw invalid("'shared_memory_byte_size' must be specified along with 'shared_memory_region'");
  if (region.kind !== "string") throw invalid("invalid value type for 'shared_memory_region' parameter, expected string_param.");
  return {
    region: region.value,
    bytes: count("shared_memory_byte_size", size),
    offset: offset === undefined ? 0 : count("shared_memory_offset", offset),
  };
}

function count(key: string, parameter: { readonly kind: string; readonly value?: unknown }): number {
  if (parameter.kind !== "int64") throw invalid(`invalid value type for '${key}' parameter, expected int64_param.`);
  const value = Number(parameter.value);
  if (Number.isSafeInteger(value) && value >= 0) return value;
  throw invalid(`invalid value for '${key}' parameter, expected >= 0`);
}
