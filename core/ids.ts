/** Ids that must not be swapped, each with the one function that makes it. Pure. */
import { ServingError } from "./errors.ts";

export type NodeId = string & { readonly brand: "NodeId" };
export type ModelName = string & { readonly brand: "ModelName" };
/** One copy of a model version: `model/version/number`; further copies of the same load are `model/version/number.copy`. */
export type ReplicaId = string & { readonly brand: "ReplicaId" };
export type GenerationId = string & { readonly brand: "GenerationId" };

const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/;

/** @throws ServingError INVALID_ARGUMENT when the text is no model name. */
export function modelName(text: string): ModelName {
  if (!NAME.test(text) || text.includes("..")) {
    throw new ServingError(
      "INVALID_ARGUMENT",
      `invalid model name ${JSON.stringify(text.slice(0, 140))}: letters, digits, '.', '_' and '-' only, at most 128`,
    );
  }
  return text as ModelName;
}

/** @throws ServingError INVALID_ARGUMENT when the text is no node id. */
export function nodeId(text: string): NodeId {
  if (!NAME.test(text)) throw new ServingError("INVALID_ARGUMENT", `invalid node id ${JSON.stringify(text.slice(0, 140))}`);
  return text as NodeId;
}

export const replicaId = (model: ModelName, version: string, number: number, copy = 0): ReplicaId =>
  `${model}/${version}/${number}${copy === 0 ? "" : `.${copy}`}` as ReplicaId;
/** The number in a replica's id: a reload has a higher one than what it replaces. */
export const replicaNumber = (replica: string): number => Math.trunc(Number(replica.slice(replica.lastIndexOf("/") + 1)));
export const generationId = (text: string): GenerationId => text as GenerationId;
