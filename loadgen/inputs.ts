/** The tensors of a load's requests: from the model's signature and what the caller says of shapes and data. Pure. */
import type { ModelMetadata, TensorMetadata } from "../client/answers.ts";
import { type ElementValues, writeElements } from "../client/elements.ts";
import { ServingError } from "../core/errors.ts";
import { DTYPES, type Dtype } from "../core/tensor/dtype.ts";
import { elementCount, joinBytesElements, type Shape, type Tensor } from "../core/tensor/tensor.ts";

/** The data of one input for one element of a batch. */
export interface GivenData {
  /** Without the batch dimension; undefined: the model's own. */
  readonly shape: Shape | undefined;
  readonly content:
    | { readonly kind: "values"; readonly values: readonly unknown[] }
    | { readonly kind: "bytes"; readonly bytes: Uint8Array }
    /** Bytes of numbers; of strings one a line. */
    | { readonly kind: "file"; readonly bytes: Uint8Array };
}

/** By the input's name. */
export type GivenInputs = ReadonlyMap<string, GivenData>;

export type InputData =
  | { readonly kind: "zero" }
  | { readonly kind: "random"; readonly chance: () => number }
  /** One element of a batch after the other. */
  | { readonly kind: "given"; readonly elements: readonly GivenInputs[] };

export interface InputOptions {
  readonly metadata: ModelMetadata;
  /** Whether the signature's first dimension is the batch. */
  readonly batched: boolean;
  readonly batchSize: number;
  /** Sizes for what varies, without the batch dimension. */
  readonly shapes: ReadonlyMap<string, Shape>;
  readonly data: InputData;
  /** Bytes of a string that is made up. */
  readonly stringLength: number;
  /** Instead of strings that are made up. */
  readonly stringData?: string | undefined;
}

interface InputSource {
  readonly input: TensorMetadata;
  readonly shape: Shape;
  readonly data: Uint8Array;
}

/**
 * The inputs of each request: one request, or as many as data is given for.
 * @throws ServingError INVALID_ARGUMENT for a varying size that nobody gives, or data that does not fit
 */
export function requestInputs(options: InputOptions): readonly (readonly Tensor[])[] {
  const { metadata, batched, batchSize, data } = options;
  if (!batched && batchSize !== 1)
    throw new ServingError("INVALID_ARGUMENT", `model '${metadata.name}' takes no batches: leave out --batch-size ${batchSize}`);
  for (const name of options.shapes.keys()) checkName(name, metadata);
  const requests = data.kind === "given" ? data.elements.length : 1;
  return Array.from({ length: requests }, (_, request) =>
    metadata.inputs.flatMap((input) => {
      const elements = Array.from({ length: batchSize }, (__, place) => inputSource(input, request * batchSize + place, options));
      const [first] = elements;
      if (first === undefined) return []; // an optional input that the data leaves out
      return [
        joined(
          elements.filter((element) => element !== undefined),
          batched,
        ),
      ];
    }),
  );
}

function inputSource(input: TensorMetadata, place: number, options: InputOptions): InputSource | undefined {
  const { data } = options;
  const given = data.kind === "given" ? data.elements[place % data.elements.length]?.get(input.name) : undefined;
  if (data.kind === "given" && given === undefined) return undefined;
  const shape = givenShape(input, given?.shape, options);
  if (given !== undefined) return { input, shape, data: givenBytes(input, shape, given) };
  return { input, shape, data: madeUp(input.dtype, elementCount(shape), options) };
}

function givenShape(input: TensorMetadata, own: Shape | undefined, { batched, shapes }: InputOptions): Shape {
  const model = batched ? input.shape.slice(1) : input.shape;
  const shape = own ?? shapes.get(input.name) ?? model;
  if (shape.every((size) => size >= 0)) return shape;
  const sizes = shape.map((size) => (size < 0 ? "N" : size)).join(",");
  throw new ServingError(
    "INVALID_ARGUMENT",
    `input '${input.name}' has the shape [${shape.join(",")}]: say --shape ${input.name}:${sizes}`,
  );
}

function givenBytes({ name, dtype }: TensorMetadata, shape: Shape, given: GivenData): Uint8Array {
  const content = dtype === "BYTES" && given.content.kind === "file" ? linesOf(given.content.bytes) : given.content;
  if (content.kind !== "values") {
    const { bytes } = DTYPES[dtype];
    const wanted = bytes * elementCount(shape);
    if (bytes === 0 || content.bytes.byteLength === wanted) return content.bytes;
    throw misfit(name, shape, `${content.bytes.byteLength} bytes, not ${wanted}`);
  }
  const values = content.values.flat(Number.POSITIVE_INFINITY);
  if (values.length !== elementCount(shape)) throw misfit(name, shape, `${values.length} elements`);
  return writeElements(dtype, values as ElementValues[Dtype]); // which checks each of them
}

function linesOf(bytes: Uint8Array): { readonly kind: "values"; readonly values: readonly string[] } {
  return {
    kind: "values",
    values: new TextDecoder()
      .decode(bytes)
      .replace(/\r?\n$/, "")
      .split(/\r?\n/),
  };
}

function madeUp(dtype: Dtype, count: number, { data, stringLength, stringData }: InputOptions): Uint8Array {
  const chance = data.kind === "random" ? data.chance : () => 0;
  if (dtype === "BYTES") {
    if (stringData !== undefined)
      return writeElements(
        dtype,
        Array.from({ length: count }, () => stringData),
      );
    const text = () => Uint8Array.from({ length: stringLength }, () => (data.kind === "random" ? 97 + Math.floor(chance() * 26) : 48));
    return joinBytesElements(Array.from({ length: count }, text));
  }
  const { bytes } = DTYPES[dtype];
  if (data.kind === "zero") return new Uint8Array(count * bytes);
  const isFloat = dtype === "FP16" || dtype === "FP32" || dtype === "FP64" || dtype === "BF16";
  const value = () => (isFloat ? chance() : Math.floor(chance() * 2));
  if (dtype === "INT64" || dtype === "UINT64")
    return writeElements(
      dtype,
      Array.from({ length: count }, () => BigInt(value())),
    );
  if (dtype === "BOOL") return Uint8Array.from({ length: count }, value);
  return writeElements(dtype, Array.from({ length: count }, value));
}

function joined(elements: readonly InputSource[], batched: boolean): Tensor {
  const [{ input, shape }] = elements as readonly [InputSource];
  const data = Buffer.concat(elements.map((element) => element.data));
  return { name: input.name, dtype: input.dtype, shape: batched ? [elements.length, ...shape] : shape, data };
}

function checkName(name: string, { inputs, name: model }: ModelMetadata): void {
  if (inputs.some((input) => input.name === name)) return;
  const names = inputs.map((input) => `'${input.name}'`).join(", ");
  throw new ServingError("INVALID_ARGUMENT", `--shape: model '${model}' has no input '${name}', only ${names}`);
}

function misfit(name: string, shape: Shape, what: string): ServingError {
  return new ServingError("INVALID_ARGUMENT", `input '${name}': the data has ${what} for the shape [${shape.join(",")}]`);
}
