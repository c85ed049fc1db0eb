/** What a graph takes and gives, read from the session. */
import { ServingError } from "../../core/errors.ts";
import type { Pointer } from "./c-api.ts";
import type { OrtRuntime } from "./runtime.ts";
import type { Session } from "./session.ts";

/** An input or output of a graph. */
export interface GraphPort {
  readonly name: string;
  /** ONNXTensorElementDataType; `ELEMENT_CODE_STRING` and those of `ElementType`. */
  readonly elementCode: number;
  /** A number, or how the model names a size that varies; undefined where it has no name. */
  readonly dims: readonly (number | string | undefined)[];
}

export interface GraphSignature {
  readonly inputs: readonly GraphPort[];
  /** Inputs that may be left out: the graph has a value for them. */
  readonly initializers: readonly GraphPort[];
  readonly outputs: readonly GraphPort[];
}

/** @throws ServingError UNIMPLEMENTED when an input or output is no tensor. */
export function readSignature(session: Session): GraphSignature {
  const { calls } = session.runtime.api;
  const ports = (kind: "Input" | "Output" | "OverridableInitializer"): readonly GraphPort[] => {
    const count = session.runtime.number((out) => calls[`SessionGet${kind}Count`](session.pointer, out));
    return Array.from({ length: count }, (_, index) => {
      const text = session.runtime.make(calls[`SessionGet${kind}Name`], session.pointer, index, session.runtime.allocator);
      const name = session.runtime.api.memory.text(text);
      session.runtime.check(calls.AllocatorFree(session.runtime.allocator, text));
      const type = session.runtime.make(calls[`SessionGet${kind}TypeInfo`], session.pointer, index);
      try {
        return readPort(session.runtime, name, type);
      } finally {
        session.runtime.api.releases.ReleaseTypeInfo(type);
      }
    });
  };
  return { inputs: ports("Input"), initializers: ports("OverridableInitializer"), outputs: ports("Output") };
}

function readPort(runtime: OrtRuntime, name: string, type: Pointer): GraphPort {
  const { calls, memory } = runtime.api;
  const info = runtime.make(calls.CastTypeInfoToTensorInfo, type); // belongs to the type
  if (info === null) throw new ServingError("UNIMPLEMENTED", `'${name}' is no tensor: models with sequences or maps cannot be served`);
  const { elementCode, shape } = tensorInfo(runtime, info);
  const symbols = new BigUint64Array(shape.length); // const char*[rank]
  runtime.check(calls.GetSymbolicDimensions(info, symbols, symbols.length));
  const dims = shape.map((size, axis) => {
    if (size >= 0) return size;
    const symbol = memory.text(symbols[axis] ?? null);
    return symbol === "" ? undefined : symbol;
  });
  return { name, elementCode, dims };
}

/** Element type and shape of an OrtTensorTypeAndShapeInfo; a size that varies is -1. */
export function tensorInfo(runtime: OrtRuntime, info: Pointer): { readonly elementCode: number; readonly shape: readonly number[] } {
  const { calls } = runtime.api;
  const elementCode = new Int32Array(1);
  runtime.check(calls.GetTensorElementType(info, elementCode));
  const dims = new BigInt64Array(runtime.number((out) => calls.GetDimensionsCount(info, out)));
  if (dims.length > 0) runtime.check(calls.GetDimensions(info, dims, dims.length));
  return { elementCode: elementCode[0] ?? 0, shape: Array.from(dims, Number) };
}
