/** A tensor that came back, read as the caller wants it. Pure. */
import type { Dtype } from "../core/tensor/dtype.ts";
import type { Shape, Tensor, TensorHead } from "../core/tensor/tensor.ts";
import { ClientError } from "./client-error.ts";
import { type ElementArrays, readElements } from "./elements.ts";

const DECODER = new TextDecoder();

export class OutputTensor implements TensorHead {
  readonly name: string;
  readonly dtype: Dtype;
  readonly shape: Shape;
  readonly #bytes: Uint8Array | undefined;

  /** @param bytes undefined: the server wrote it into shared memory */
  constructor({ name, dtype, shape }: TensorHead, bytes: Uint8Array | undefined) {
    this.name = name;
    this.dtype = dtype;
    this.shape = shape;
    this.#bytes = bytes;
  }

  /** As it came: little-endian, row-major. @throws ClientError FAILED_PRECONDITION when it lies in shared memory */
  get bytes(): Uint8Array {
    if (this.#bytes !== undefined) return this.#bytes;
    throw new ClientError("FAILED_PRECONDITION", `output '${this.name}' lies in the shared memory that was asked for: read it there`);
  }

  /** The elements as an array that fits the datatype, row-major: a view where the bytes are aligned, else a copy. */
  get data(): ElementArrays[Dtype] {
    return readElements(this.dtype, this.bytes);
  }

  /**
   * The elements with the type that the datatype has: `output.as("FP32")` is a Float32Array.
   * @throws ClientError INVALID_ARGUMENT when the output has another datatype
   */
  as<D extends Dtype>(dtype: D): ElementArrays[D] {
    if (dtype === this.dtype) return readElements(dtype, this.bytes);
    throw new ClientError("INVALID_ARGUMENT", `output '${this.name}' is ${this.dtype}, not ${dtype}`);
  }

  /** The elements of a BYTES output as UTF-8. @throws ClientError INVALID_ARGUMENT for other datatypes */
  strings(): string[] {
    return this.as("BYTES").map((element) => DECODER.decode(element));
  }

  /** As an input of another inference. The bytes are shared, not copied. */
  asInput(name: string): Tensor {
    return { name, dtype: this.dtype, shape: this.shape, data: this.bytes };
  }
}
