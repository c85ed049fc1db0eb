/** What is wrong with a configuration: Triton's words, where it is, and what to do about it. Pure. */
import { ServingError } from "../../../errors.ts";

/** Field names as in config.pbtxt, indices of repeated fields, keys of maps: `["input", 0, "dims"]`. */
export type ConfigPath = readonly (string | number)[];

export interface ConfigProblem {
  /** As Triton says it: clients and tests compare it. */
  readonly message: string;
  readonly path: ConfigPath;
  /** The remedy, in a few words. */
  readonly fix: string;
}

/** What a load is refused with: the first problem, as Triton stops at the first. */
export function problemError({ message }: ConfigProblem): ServingError {
  return new ServingError("INVALID_ARGUMENT", message, { reason: "invalid_model_configuration" });
}
