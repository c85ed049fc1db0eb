/**
 * What clients may know of a version of a whole model. The agent that hosts it makes it once the model is open (auto-completion
 * needs the model itself), publishes it under its digest, and gateways fetch and keep it. Pure.
 */
import { ServingError } from "../errors.ts";
import { type Dtype, isDtype } from "../tensor/dtype.ts";

/** An input or output as clients see it. */
export interface TensorSpec {
  readonly name: string;
  readonly dtype: Dtype;
  /** With the batch dimension in front (-1) where the model batches; -1 is any size. */
  readonly shape: readonly number[];
  /** Of inputs: a request may leave it out. */
  readonly optional: boolean;
  /** Of inputs: requests of different shapes share a batch. */
  readonly ragged: boolean;
  /** Of outputs: class labels, one per class; empty where there are none. */
  readonly labels: readonly string[];
  /** Of an ensemble's outputs: which of its models makes it, as which output. */
  readonly source?: TensorSource;
}

export interface TensorSource extends ModelReference {
  readonly output: string;
}

export interface PublishedModel {
  readonly name: string;
  readonly version: string;
  /** Such as `onnxruntime_onnx`. */
  readonly platform: string;
  /** 0: no batch dimension. */
  readonly maxBatchSize: number;
  readonly decoupled: boolean;
  readonly inputs: readonly TensorSpec[];
  readonly outputs: readonly TensorSpec[];
  /** The normalized configuration as Triton's JSON. */
  readonly configJson: string;
  /** Models that an ensemble calls: it serves while they do. */
  readonly members?: readonly ModelReference[];
  /** A request does something besides its answer: it is not sent again when nobody knows what became of it. */
  readonly runsOnce?: true;
  /** Its requests may call models: an ensemble's steps, or what a Python model likes. */
  readonly callsModels?: boolean;
  /** Of a model whose requests are steps of sequences. */
  readonly sequences?: PublishedSequences;
}

export interface PublishedSequences {
  /** A sequence without a request for so long is over. */
  readonly idleMs: number;
  /** Its state survives its node. */
  readonly kept: boolean;
}

export interface ModelReference {
  readonly model: string;
  /** undefined: the highest that is ready. */
  readonly version: number | undefined;
}

export function encodePublishedModel(model: PublishedModel): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(model));
}

/** @throws ServingError DATA_LOSS naming the field that is not as it should be. */
export function parsePublishedModel(bytes: Uint8Array): PublishedModel {
  const value: unknown = JSON.parse(new TextDecoder().decode(bytes));
  const fields = fieldsOf(value, "a published model");
  return {
    name: text(fields, "name"),
    version: text(fields, "version"),
    platform: text(fields, "platform"),
    maxBatchSize: whole(fields.get("maxBatchSize"), "maxBatchSize"),
    decoupled: fields.get("decoupled") === true,
    inputs: list(fields, "inputs").map(tensorSpec),
    outputs: list(fields, "outputs").map(tensorSpec),
    configJson: text(fields, "configJson"),
    ...(fields.has("members") && { members: list(fields, "members").map(modelReference) }),
    ...(fields.get("runsOnce") === true && { runsOnce: true }),
    ...(fields.get("callsModels") === true && { callsModels: true }),
    ...(fields.has("sequences") && { sequences: publishedSequences(fields.get("sequences")) }),
  };
}

type Fields = ReadonlyMap<string, unknown>;

function tensorSpec(value: unknown): TensorSpec {
  const fields = fieldsOf(value, "a tensor");
  const dtype = fields.get("dtype");
  return {
    name: text(fields, "name"),
    dtype: isDtype(dtype) ? dtype : fail("dtype"),
    shape: list(fields, "shape").map((size) => whole(size, "shape")),
    optional: fields.get("optional") === true,
    ragged: fields.get("ragged") === true,
    labels: list(fields, "labels").map((label) => (typeof label === "string" ? label : fail("labels"))),
    ...(fields.has("source") && { source: tensorSource(fields.get("source")) }),
  };
}

function tensorSource(value: unknown): TensorSource {
  return { ...modelReference(value), output: text(fieldsOf(value, "a source"), "output") };
}

function modelReference(value: unknown): ModelReference {
  const fields = fieldsOf(value, "a member");
  return { model: text(fields, "model"), version: fields.has("version") ? whole(fields.get("version"), "version") : undefined };
}

function publishedSequences(value: unknown): PublishedSequences {
  const fields = fieldsOf(value, "sequences");
  const idleMs = fields.get("idleMs");
  return { idleMs: typeof idleMs === "number" ? idleMs : fail("idleMs"), kept: fields.get("kept") === true };
}

function fieldsOf(value: unknown, what: string): Fields {
  return typeof value === "object" && value !== null ? new Map(Object.entries(value)) : fail(what);
}

function text(fields: Fields, name: string): string {
  const value = fields.get(name);
  return typeof value === "string" ? value : fail(name);
}

function whole(value: unknown, name: string): number {
  return typeof value === "number" && Number.isSafeInteger(value) ? value : fail(name);
}

function list(fields: Fields, name: string): readonly unknown[] {
  const value = fields.get(name);
  return Array.isArray(value) ? value : fail(name);
}

function fail(name: string): never {
  throw new ServingError("DATA_LOSS", `a published model has no valid '${name}': its node runs another version of this program`);
}
