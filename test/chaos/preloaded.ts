/** Environments of processes that load something before anything else, and of all that they start. */
import { fileURLToPath } from "node:url";
import type { Mutation } from "./mutation.ts";

export type Environment = Readonly<Record<string, string>>;

/** @param file beside this one */
export function preloading(file: string, variables: Environment): Environment {
  return { NODE_OPTIONS: `--import ${fileURLToPath(new URL(file, import.meta.url))}`, ...variables };
}

/** Of processes whose source is another one; empty without mutations. */
export function mutatedEnvironment(mutations: readonly Mutation[]): Environment {
  return mutations.length === 0 ? {} : preloading("./mutate.ts", { NEREID_CHAOS_MUTATIONS: JSON.stringify(mutations) });
}

/** All that the environments load, and all that they say. */
export function joined(one: Environment, other: Environment): Environment {
  const loads = [one, other].flatMap(({ NODE_OPTIONS }) => NODE_OPTIONS ?? []);
  return { ...one, ...other, ...(loads.length > 0 && { NODE_OPTIONS: loads.join(" ") }) };
}
