/** The body of the generate extension for a model of tensors: keys that are input names become tensors, others parameters. Pure. */
import type { ParameterValue } from "../../../core/messages/parameter-value.ts";
import { DTYPES, type Dtype } from "../../../core/tensor/dtype.ts";
import type { Shape, Tensor } from "../../../core/tensor/tensor.ts";
import { ownParameter } from "../infer/request-parameters.ts";
import { asObject } from "../json/json-members.ts";
import { scanJson } from "../json/json-scanner.ts";
import { bytesAsText, JsonObject, JsonSpan, type JsonValue } from "../json/json-value.ts";
import { countElements, readTensorData } from "../json/tensor-data-reader.ts";
import { invalid, requestPrefix } from "../triton-error.ts";

export interface GenerateTensors {
  readonly id: string;
  readonly inputs: readonly Tensor[];
  readonly parameters: ReadonlyMap<string, ParameterValue>;
}

export interface GenerateSignature {
  /** As in the model's metadata. */
  readonly inputs: readonly { readonly name: string; readonly dtype: Dtype; readonly shape: Shape }[];
  /** Of all inputs together. */
  readonly bytesMax: number;
}

/** @throws ServingError INTERNAL for malformed JSON and wrong types, INVALID_ARGUMENT for what fits no input and no parameter */
export function parseGenerateTensors(bytes: Uint8Array, signature: GenerateSignature): GenerateTensors {
  const text = bytesAsText(bytes);
  const reader = new GenerateReader(text, signature);
  reader.object(asObject(scanJson(text, { allSpans: true }), undefined), { isNested: false });
  const { id, inputs, parameters } = reader;
  return { id, inputs, parameters };
}

class GenerateReader {
  readonly #text: string;
  readonly #signature: GenerateSignature;
  readonly inputs: Tensor[] = [];
  readonly parameters = new Map<string, ParameterValue>();
  id = "";
  #bytes = 0;

  constructor(text: string, signature: GenerateSignature) {
    this.#text = text;
    this.#signature = signature;
  }

  object({ names, values }: JsonObject, { isNested }: { readonly isNested: boolean }): void {
    names.forEach((name, index) => {
      const value = values[index] ?? null;
      if (name === "parameters" && !isNested) {
        if (!(value instanceof JsonObject)) throw invalid("Expected JSON object for keyword: 'parameters'");
        this.object(value, { isNested: true });
      } else if (name === "id" && !isNested && !this.#isInput(name)) {
        this.id = String(ownParameter(name, this.#scalar(value)));
      } else if (this.#isInput(name)) {
        this.#input(name, value);
      } else {
        this.parameters.set(name, ownParameter(name, this.#scalar(value)));
      }
    });
  }

  #isInput(name: string): boolean {
    return this.#signature.inputs.some((input) => input.name === name);
  }

  #scalar(value: JsonValue): JsonValue {
    return value instanceof JsonSpan ? scanJson(this.#text.slice(value.start, value.end)) : value;
  }

  #input(name: string, value: JsonValue): void {
    const spec = this.#signature.inputs.find((input) => input.name === name);
    const isReadable = spec !== undefined && value instanceof JsonSpan;
    const count = isReadable ? countElements(this.#text, value.start) : 0;
    const shape = isReadable ? fittingShape(spec.shape, count) : undefined;
    if (!isReadable || shape === undefined) {
      throw invalid(`The schema can not convert input '${name}' to tensor with proper shape`);
    }
    const { dtype } = spec;
    this.#take(name, count * DTYPES[dtype].bytes);
    const slot = { input: name, dtype, count, bytesMax: this.#signature.bytesMax };
    const data = readTensorData(this.#text, value.start, slot);
    if (dtype === "BYTES") this.#take(name, data.byteLength);
    if (this.inputs.some((input) => input.name === name)) {
      throw invalid(`${requestPrefix(this.id)}input '${name}' already exists in request`);
    }
    this.inputs.push({ name, dtype, shape, data });
  }

  #take(name: string, bytes: number): void {
    this.#bytes += bytes;
    const { bytesMax } = this.#signature;
    if (this.#bytes <= bytesMax) return;
    const size = `request size of ${this.#bytes} bytes with input '${name}' of size ${bytes} bytes`;
    throw invalid(`${size} exceeds the maximum allowed input size of ${bytesMax}. Use --http-max-input-size to increase the limit.`);
  }
}

/** Fixed sizes divide the elements, the innermost variable one takes the rest, the others are 1. undefined: it does not come out even. */
function fittingShape(shape: Shape, count: number): Shape | undefined {
  const fixed = shape.reduce((product, size) => (size === -1 ? product : product * size), 1);
  let rest = count / fixed;
  if (!Number.isInteger(rest)) return undefined;
  const sizes = shape.toReversed().map((size) => {
    if (size !== -1) return size;
    const taken = rest;
    rest = 1;
    return taken;
  });
  return rest === 1 ? sizes.reverse() : undefined;
}
