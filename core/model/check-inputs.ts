/**
 * What is checked of every inference request before it runs, in Triton's order and words: by gateways of what clients send, by agents
 * of what models on one node send each other. Pure.
 */
import { ServingError } from "../errors.ts";
import { DTYPES } from "../tensor/dtype.ts";
import { dataBytes, type Tensor } from "../tensor/tensor.ts";
import type { PublishedModel, TensorSpec } from "./published-model.ts";

/** What is looked at of a request. */
export interface CheckedRequest {
  /** Empty: the client gave none. */
  readonly id: string;
  readonly inputs: readonly Tensor[];
  readonly outputs: readonly string[];
}

type CheckedModel = Pick<PublishedModel, "name" | "maxBatchSize" | "inputs" | "outputs">;

/** A string's length, before its bytes. */
const LENGTH_BYTES = 4;

const BATCH_NOTE =
  "NOTE: Setting a non-zero max_batch_size in the model config requires a batch dimension to be prepended to each input shape. If you " +
  "want to specify the full shape including the batch dim in your input dims config, try setting max_batch_size to zero. See the model " +
  "configuration docs for more info on max_batch_size.";

/**
 * Requested outputs, number of inputs, batch, then for each input its datatype, shape and byte size.
 * @param view of the version that is to run
 * @throws ServingError INVALID_ARGUMENT with Triton's text, and its `[request id: …] ` before it
 */
export function checkInferRequest(request: CheckedRequest, view: CheckedModel): void {
  checkOutputs(request, view);
  checkInputCount(request, view);
  for (const input of request.inputs) specOf(input, view);
  if (view.maxBatchSize > 0) checkBatch(request, view);
  for (const input of request.inputs) checkInput(request, input, specOf(input, view), view);
}

/** The inputs in the order of the model's signature: requests of one batch must agree in it. They have passed the check. */
export function inSignatureOrder(inputs: readonly Tensor[], specs: readonly { readonly name: string }[]): readonly Tensor[] {
  let place = 0;
  for (const { name } of specs) if (inputs[place]?.name === name) place += 1;
  if (place === inputs.length) return inputs;
  return specs.flatMap(({ name }) => inputs.find((input) => input.name === name) ?? []);
}

/** Unknown names are the one thing that Triton reports without the request's id. */
function checkOutputs({ outputs }: CheckedRequest, view: CheckedModel): void {
  for (const name of outputs) {
    if (view.outputs.some((output) => output.name === name)) continue;
    throw new ServingError("INVALID_ARGUMENT", `unexpected inference output '${name}' for model '${view.name}'`);
  }
}

function specOf({ name }: Tensor, view: CheckedModel): TensorSpec {
  for (const input of view.inputs) if (input.name === name) return input;
  throw new ServingError("INVALID_ARGUMENT", `unexpected inference input '${name}' for model '${view.name}'`);
}

function checkInputCount(request: CheckedRequest, view: CheckedModel): void {
  const { inputs } = request;
  if (hasAllInOrder(inputs, view)) return;
  const required = view.inputs.filter(({ optional }) => !optional);
  const missing = required.filter(({ name }) => !inputs.some((input) => input.name === name));
  const [least, most] = [required.length, view.inputs.length];
  const isCount = inputs.length >= least && inputs.length <= most;
  const hasUnknown = inputs.some(({ name }) => !view.inputs.some((input) => input.name === name));
  if (isCount && (missing.length === 0 || hasUnknown)) return;
  const wanted = least === most ? `expected ${most} inputs` : `expected number of inputs between ${least} and ${most}`;
  throw refused(
    request,
    `${wanted} but got ${inputs.length} inputs for model '${view.name}'. Got input(s) ${nameList(inputs)}, but missing required ` +
      `input(s) ${nameList(missing)}. Please provide all required input(s).`,
  );
}

/** As nearly all requests do. */
function hasAllInOrder(inputs: readonly Tensor[], view: CheckedModel): boolean {
  if (inputs.length !== view.inputs.length) return false;
  for (let place = 0; place < inputs.length; place++) if (inputs[place]?.name !== view.inputs[place]?.name) return false;
  return true;
}

function nameList(named: readonly { readonly name: string }[]): string {
  return `[${named.map(({ name }) => `'${name}'`).join(",")}]`;
}

function checkBatch(request: CheckedRequest, view: CheckedModel): void {
  let batch: number | undefined;
  for (const { name, shape } of request.inputs) {
    const [size] = shape;
    if (size === undefined) throw refused(request, `input '${name}' has no shape but model requires batch dimension for '${view.name}'`);
    batch ??= size;
    if (batch !== size) throw refused(request, `input '${name}' batch size does not match other inputs for '${view.name}'`);
  }
  if (batch !== undefined && batch > view.maxBatchSize) {
    throw refused(request, `inference request batch-size must be <= ${view.maxBatchSize} for '${view.name}'`);
  }
}

function checkInput(request: CheckedRequest, input: Tensor, spec: TensorSpec, view: CheckedModel): void {
  const { name, dtype, shape } = input;
  if (dtype !== spec.dtype) {
    throw refused(request, `inference input '${name}' data-type is '${dtype}', but model '${view.name}' expects '${spec.dtype}'`);
  }
  checkShape(request, input, spec, view);
  if (dtype === "BYTES") {
    checkStrings(request, input, `for inference input '${name}' for model '${view.name}'`);
    return;
  }
  const hasNoRows = view.maxBatchSize > 0 && shape[0] === 0; // a batch of no rows takes the bytes of one, as in Triton
  const expected = elementsOf(hasNoRows ? shape.slice(1) : shape) * DTYPES[dtype].bytes;
  if (dataBytes(input) === expected) return;
  const sizes = `Expected ${expected}, got ${dataBytes(input)}`;
  throw refused(request, `input byte size mismatch for input '${name}' for model '${view.name}'. ${sizes}`);
}

function checkShape(request: CheckedRequest, { name, shape }: Tensor, spec: TensorSpec, view: CheckedModel): void {
  if (fits(shape, spec.shape)) return;
  const isBatched = view.maxBatchSize > 0;
  if (shape.length === spec.shape.length && shape.some((size, index) => size === -1 && (index > 0 || !isBatched))) {
    const got = `got [${shape.join(",")}]`;
    throw refused(request, `All input dimensions should be specified for input '${name}' for model '${view.name}', ${got}`);
  }
  const sizes = `Expected [${spec.shape.join(",")}], got [${shape.join(",")}]. ${isBatched ? BATCH_NOTE : ""}`;
  throw refused(request, `unexpected shape for input '${name}' for model '${view.name}'. ${sizes}`);
}

/** Whether a shape is one of those that are allowed: -1 allows any size. */
function fits(shape: readonly number[], allowed: readonly number[]): boolean {
  if (shape.length !== allowed.length) return false;
  for (let place = 0; place < shape.length; place++) {
    const size = shape[place] ?? -1;
    if (size < 0 || (allowed[place] !== -1 && allowed[place] !== size)) return false;
  }
  return true;
}

function checkStrings(request: CheckedRequest, { shape, data }: Tensor, where: string): void {
  const expected = elementsOf(shape);
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  let count = 0;
  for (let offset = 0; offset < data.byteLength; ) {
    const left = data.byteLength - offset;
    if (left < LENGTH_BYTES) {
      throw refused(
        request,
        `incomplete string length indicator ${where}, expecting ${LENGTH_BYTES} bytes but only ${left} bytes available. ` +
          "Please make sure the string length indicator is in one buffer.",
      );
    }
    if (++count > expected) throw refused(request, `unexpected number of string elements ${count} ${where}, expecting ${expected}`);
    const length = view.getUint32(offset, true);
    if (length > left - LENGTH_BYTES) {
      throw refused(request, `incomplete string ${where}, expecting ${length} bytes but only ${left - LENGTH_BYTES} bytes available`);
    }
    offset += LENGTH_BYTES + length;
  }
  if (count < expected) throw refused(request, `expected ${expected} string elements ${where}, got ${count}`);
}

/** A double: a product that no memory holds need not be exact. */
function elementsOf(shape: readonly number[]): number {
  let product = 1;
  for (const size of shape) product *= size;
  return product;
}

function refused({ id }: CheckedRequest, text: string): ServingError {
  return new ServingError("INVALID_ARGUMENT", `[request id: ${id === "" ? "<id_unknown>" : id}] ${text}`);
}
