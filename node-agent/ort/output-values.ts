/** Outputs that the runtime itself made, because their shape was not known before the run. */
import type { Binding } from "./binding.ts";
import type { Pointer } from "./c-api.ts";
import type { OrtRuntime } from "./runtime.ts";
import { tensorInfo } from "./signature.ts";
import { readStrings } from "./string-tensor.ts";
import { ELEMENT_CODE_STRING, elementBytes } from "./value.ts";

export interface OutputValue {
  readonly shape: readonly number[];
  /** A copy of its bytes; strings each with their length before them, 4 bytes little-endian. */
  readonly data: Uint8Array;
}

/**
 * Outputs of a binding that has run.
 * @param which places in the order in which outputs were bound
 */
export function readOutputs(runtime: OrtRuntime, binding: Binding, which: readonly number[]): readonly OutputValue[] {
  const values = binding.outputValues();
  try {
    return which.map((place) => readValue(runtime, values[place]?.pointer ?? null));
  } finally {
    for (const value of values) value[Symbol.dispose]();
  }
}

function readValue(runtime: OrtRuntime, value: Pointer): OutputValue {
  const { calls, releases, memory } = runtime.api;
  const info = runtime.make(calls.GetTensorTypeAndShape, value);
  const { elementCode, shape } = tensorInfo(runtime, info);
  releases.ReleaseTensorTypeAndShapeInfo(info);
  const count = shape.reduce((product, size) => product * size, 1);
  if (elementCode === ELEMENT_CODE_STRING) return { shape, data: readStrings(runtime, value, count) };
  return { shape, data: memory.read(runtime.make(calls.GetTensorMutableData, value), count * elementBytes(elementCode)) };
}
