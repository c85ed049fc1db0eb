/** Tensors of strings: the runtime owns them, so they are filled and read by copying. Any bytes, zeros too. */

import { ServingError } from "../../core/errors.ts";
import type { Pointer } from "./c-api.ts";
import type { OrtRuntime } from "./runtime.ts";
import { type BoundValue, ELEMENT_CODE_STRING } from "./value.ts";

const LENGTH_BYTES = 4;

/** A tensor of empty strings, to be filled before every run. */
export class StringValue implements BoundValue, Disposable {
  readonly pointer: Pointer;
  readonly #runtime: OrtRuntime;
  readonly #release: Disposable;
  readonly #shape: readonly number[];

  constructor(runtime: OrtRuntime, shape: readonly number[]) {
    const dims = BigInt64Array.from(shape, BigInt);
    const { CreateTensorAsOrtValue } = runtime.api.calls;
    const handle = runtime.own("value", runtime.make(CreateTensorAsOrtValue, runtime.allocator, dims, shape.length, ELEMENT_CODE_STRING));
    this.#runtime = runtime;
    this.#release = handle;
    this.#shape = shape;
    this.pointer = handle.pointer;
  }

  /** @throws ServingError INVALID_ARGUMENT when there are not as many as the shape says */
  fill(elements: readonly Uint8Array[]): void {
    const count = this.#shape.reduce((product, size) => product * size, 1);
    if (elements.length !== count)
      throw new ServingError(
        "INVALID_ARGUMENT",
        `a tensor of shape [${this.#shape.join(",")}] has ${count} strings, got ${elements.length}`,
      );
    const { calls, memory } = this.#runtime.api;
    for (const [index, bytes] of elements.entries()) {
      const buffer = this.#runtime.make(calls.GetResizedStringTensorElementBuffer, this.pointer, index, bytes.byteLength);
      if (bytes.byteLength > 0) memory.write(buffer, bytes);
    }
  }

  [Symbol.dispose](): void {
    this.#release[Symbol.dispose]();
  }
}

/** All strings of a tensor, each with its length before it, 4 bytes little-endian. */
export function readStrings(runtime: OrtRuntime, value: Pointer, count: number): Uint8Array {
  const { calls } = runtime.api;
  const total = runtime.number((out) => calls.GetStringTensorDataLength(value, out));
  const content = new Uint8Array(total);
  const offsets = new BigUint64Array(count);
  if (count > 0) runtime.check(calls.GetStringTensorContent(value, content, total, offsets, count));
  const data = new Uint8Array(total + count * LENGTH_BYTES);
  const view = new DataView(data.buffer);
  let to = 0;
  for (let index = 0; index < count; index++) {
    const begin = Number(offsets[index] ?? 0n);
    const end = index + 1 < count ? Number(offsets[index + 1] ?? 0n) : total;
    view.setUint32(to, end - begin, true);
    data.set(content.subarray(begin, end), to + LENGTH_BYTES);
    to += LENGTH_BYTES + end - begin;
  }
  return data;
}
