/** A model's inputs and outputs between the names of ONNX Runtime and those of the protocols. Pure. */
import { ServingError } from "../../../core/errors.ts";
import type { Dtype } from "../../../core/tensor/dtype.ts";
import type { Shape } from "../../../core/tensor/tensor.ts";
import type { ModelPort, ModelSignature } from "../../../core/wire/model-runner.ts";
import type { GraphPort, GraphSignature } from "../../ort/signature.ts";
import type { ElementType } from "../../ort/value.ts";

/** ONNXTensorElementDataType, and what a value of fixed-size elements calls it. */
const ELEMENTS = {
  FP32: { code: 1, element: "f32" },
  UINT8: { code: 2, element: "u8" },
  INT8: { code: 3, element: "i8" },
  UINT16: { code: 4, element: "u16" },
  INT16: { code: 5, element: "i16" },
  INT32: { code: 6, element: "i32" },
  INT64: { code: 7, element: "i64" },
  BYTES: { code: 8, element: undefined },
  BOOL: { code: 9, element: "bool" },
  FP16: { code: 10, element: "f16" },
  FP64: { code: 11, element: "f64" },
  UINT32: { code: 12, element: "u32" },
  UINT64: { code: 13, element: "u64" },
  BF16: { code: 16, element: "bf16" },
} as const satisfies Record<Dtype, { readonly code: number; readonly element: ElementType | undefined }>;

const BY_CODE = new Map<number, Dtype>(Object.entries(ELEMENTS).map(([dtype, { code }]) => [code, dtype as Dtype])); // keys of ELEMENTS

/** undefined: strings, which are filled and read one by one. */
export const elementOf = (dtype: Dtype): ElementType | undefined => ELEMENTS[dtype].element;

/** @throws ServingError UNIMPLEMENTED when the model has a datatype that the protocols do not know. */
export function modelSignature(graph: GraphSignature): ModelSignature {
  const ports = (from: readonly GraphPort[], optional: boolean) => from.map((port) => modelPort(port, optional));
  return { inputs: [...ports(graph.inputs, false), ...ports(graph.initializers, true)], outputs: ports(graph.outputs, false) };
}

function modelPort({ name, elementCode, dims }: GraphPort, optional: boolean): ModelPort {
  const dtype = BY_CODE.get(elementCode);
  if (dtype === undefined)
    throw new ServingError(
      "UNIMPLEMENTED",
      `'${name}' has element type ${elementCode} of ONNX, which no protocol can carry: cast it in the model`,
    );
  return { name, dtype, shape: dims.map((size) => (typeof size === "number" ? size : -1)), optional };
}

/** Sizes that this run's inputs give to the model's named dimensions; a name with two sizes is left out. */
export function namedSizes(inputs: readonly { readonly dims: GraphPort["dims"]; readonly shape: Shape }[]): ReadonlyMap<string, number> {
  const sizes = new Map<string, number>();
  const torn = new Set<string>();
  for (const { dims, shape } of inputs)
    for (const [axis, name] of dims.entries()) {
      const size = shape[axis];
      if (typeof name !== "string" || size === undefined) continue;
      if ((sizes.get(name) ?? size) !== size) torn.add(name);
      sizes.set(name, size);
    }
  for (const name of torn) sizes.delete(name);
  return sizes;
}

/** The shape that an output will have, as far as the model says; undefined: it says too little. */
export function outputShape({ dims }: GraphPort, sizes: ReadonlyMap<string, number>): Shape | undefined {
  const shape = dims.map((size) => (typeof size === "string" ? sizes.get(size) : size));
  return shape.every((size) => size !== undefined) ? shape : undefined;
}
