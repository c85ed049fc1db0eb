/** Tensors over memory that we own: the runtime reads and writes the caller's array, nothing is copied. */
import { assert } from "../../core/errors.ts";
import type { Pointer } from "./c-api.ts";
import type { Handle, OrtRuntime } from "./runtime.ts";

/** Element types by the name of their array. Source: ONNXTensorElementDataType. */
const ELEMENTS = {
  f32: { code: 1, bytes: 4 },
  u8: { code: 2, bytes: 1 },
  i8: { code: 3, bytes: 1 },
  u16: { code: 4, bytes: 2 },
  i16: { code: 5, bytes: 2 },
  i32: { code: 6, bytes: 4 },
  i64: { code: 7, bytes: 8 },
  bool: { code: 9, bytes: 1 },
  f16: { code: 10, bytes: 2 },
  f64: { code: 11, bytes: 8 },
  u32: { code: 12, bytes: 4 },
  u64: { code: 13, bytes: 8 },
  bf16: { code: 16, bytes: 2 },
} as const;

export type ElementType = keyof typeof ELEMENTS;

/** Strings are no memory of ours: see string-tensor.ts. */
export const ELEMENT_CODE_STRING = 8;

/** Bytes of an element of a fixed size. */
export function elementBytes(code: number): number {
  const element = Object.values(ELEMENTS).find((one) => one.code === code);
  assert(element !== undefined, `element type ${code} has a fixed size`);
  return element.bytes;
}

/** What a binding can name. */
export interface BoundValue {
  readonly pointer: Pointer;
}

/** An OrtValue. It keeps its memory reachable; it must outlive every binding that names it. */
export class Value implements BoundValue, Disposable {
  readonly shape: readonly number[];
  readonly #handle: Handle;
  readonly #memory: NodeJS.TypedArray;

  /** @param memory exactly the tensor's bytes */
  constructor(runtime: OrtRuntime, type: ElementType, shape: readonly number[], memory: NodeJS.TypedArray) {
    const element = ELEMENTS[type];
    const byteLength = shape.reduce((product, size) => product * size, element.bytes);
    assert(memory.byteLength === byteLength, `a ${type} tensor [${shape}] has ${byteLength} bytes, its memory ${memory.byteLength}`);
    void memory.buffer; // small arrays live on V8's heap, where they may move, until their buffer is asked for
    this.shape = shape;
    this.#memory = memory;
    const dims = BigInt64Array.from(shape, BigInt);
    const { CreateTensorWithDataAsOrtValue } = runtime.api.calls;
    const given = [runtime.cpuMemory, memory, byteLength, dims, shape.length, element.code];
    this.#handle = runtime.own("value", runtime.make(CreateTensorWithDataAsOrtValue, ...given));
  }

  get pointer(): Pointer {
    return this.#handle.pointer;
  }

  get byteLength(): number {
    return this.#memory.byteLength;
  }

  [Symbol.dispose](): void {
    this.#handle[Symbol.dispose]();
  }
}
