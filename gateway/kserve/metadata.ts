/** What the server and its models say of themselves. Pure. */
import type { ServedModel } from "../serving/text-generation.ts";
import { LANGUAGE_INPUTS, LANGUAGE_OUTPUTS } from "./language-signature.ts";

/** In Triton's order; only what this server does. A client that finds a name here may use it. */
const EXTENSIONS: readonly string[] = ["parameters"];

export interface ServerIdentity {
  readonly name: string;
  readonly version: string;
}

export function serverMetadata({ name, version }: ServerIdentity) {
  return { name, version, extensions: EXTENSIONS };
}

/** @param versions of one model, at least one. */
export function modelMetadata(name: string, versions: readonly ServedModel[]) {
  return {
    name,
    versions: versions.map(({ version }) => version),
    platform: "llm",
    inputs: LANGUAGE_INPUTS.map(({ name: input, datatype, shape }) => ({ name: input, datatype, shape })),
    outputs: LANGUAGE_OUTPUTS,
  };
}
