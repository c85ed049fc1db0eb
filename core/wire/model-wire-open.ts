/** What travels when a runner opens a model, and how it says that something failed: rare frames, whose heads are JSON. Pure. */
import { type ErrorCode, isErrorCode, ServingError } from "../errors.ts";
import { isDtype } from "../tensor/dtype.ts";
import type { ModelPort, ModelSignature, OpenModel } from "./model-runner.ts";

const encode = (value: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(value));

export const encodeOpen = (model: OpenModel): Uint8Array => encode(model);

/** @throws ServingError INVALID_ARGUMENT when the head names no model. */
export function decodeOpen(head: Uint8Array): OpenModel {
  const fields = fieldsOf(head);
  const entries = fieldsIn(fields.get("configEntries"));
  const optimization = fields.get("optimization");
  const execution = fields.get("execution");
  return {
    file: text(fields, "file"),
    intraThreads: whole(fields, "intraThreads"),
    interThreads: whole(fields, "interThreads"),
    optimization:
      optimization === 0 || optimization === 1 || optimization === 2 || optimization === 99 ? optimization : refuse("optimization"),
    execution: execution === "sequential" || execution === "parallel" ? execution : refuse("execution"),
    memoryArena: flag(fields, "memoryArena"),
    memoryPattern: flag(fields, "memoryPattern"),
    configEntries: Object.fromEntries(Array.from(entries.keys(), (name) => [name, text(entries, name)])),
  };
}

export const encodeSignature = (signature: ModelSignature): Uint8Array => encode(signature);

/** @throws ServingError INVALID_ARGUMENT when the head is no signature. */
export function decodeSignature(head: Uint8Array): ModelSignature {
  const fields = fieldsOf(head);
  return { inputs: list(fields, "inputs").map(portOf), outputs: list(fields, "outputs").map(portOf) };
}

export const encodeFailure = ({ code, message, reason }: ServingError): Uint8Array => encode({ code, message, reason: reason ?? "" });

export function decodeFailure(head: Uint8Array): ServingError {
  const fields = fieldsOf(head);
  const code = fields.get("code");
  const known: ErrorCode = isErrorCode(code) ? code : refuse("code");
  const reason = text(fields, "reason");
  return new ServingError(known, text(fields, "message"), reason === "" ? {} : { reason });
}

function portOf(value: unknown): ModelPort {
  const fields = fieldsIn(value);
  const dtype = fields.get("dtype");
  const shape = list(fields, "shape").map((size) => (typeof size === "number" ? size : refuse("shape")));
  return { name: text(fields, "name"), dtype: isDtype(dtype) ? dtype : refuse("dtype"), shape, optional: flag(fields, "optional") };
}

type Fields = ReadonlyMap<string, unknown>;

function fieldsOf(head: Uint8Array): Fields {
  try {
    return fieldsIn(JSON.parse(new TextDecoder().decode(head)));
  } catch {
    return refuse("JSON");
  }
}

const fieldsIn = (value: unknown): Fields =>
  typeof value === "object" && value !== null ? new Map(Object.entries(value)) : refuse("object");

function text(fields: Fields, name: string): string {
  const value = fields.get(name);
  return typeof value === "string" ? value : refuse(name);
}

function whole(fields: Fields, name: string): number {
  const value = fields.get(name);
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0 ? value : refuse(name);
}

function flag(fields: Fields, name: string): boolean {
  const value = fields.get(name);
  return typeof value === "boolean" ? value : refuse(name);
}

function list(fields: Fields, name: string): readonly unknown[] {
  const value = fields.get(name);
  return Array.isArray(value) ? value : refuse(name);
}

function refuse(name: string): never {
  throw new ServingError("INVALID_ARGUMENT", `a frame between an agent and a runner has no valid '${name}'`, { reason: "bad_frame" });
}
