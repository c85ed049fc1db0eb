/** How loads are refused and fail, in Triton's words (model-repository.md section 4.1). Pure. */
import { ServingError } from "../../core/errors.ts";
import { type ModelName, modelName } from "../../core/ids.ts";
import type { VersionFailure } from "../placement/wanted-transitions.ts";

export function loadFailure(model: ModelName, versions: readonly VersionFailure[], reason?: string): ServingError {
  const reasons = versions.map(({ version, reason }) => `version ${version} is at UNAVAILABLE state: ${reason};\n`).join("");
  return new ServingError("INVALID_ARGUMENT", `load failed for model '${model}': ${reasons}`, reason === undefined ? {} : { reason });
}

/** @throws ServingError INVALID_ARGUMENT */
export function checkedName(text: string): ModelName {
  const name = text.trim();
  if (name === "") throw new ServingError("INVALID_ARGUMENT", "Model name cannot be empty. Please enter a valid name to deploy.");
  if (name.includes("/") || name.includes("..")) {
    throw new ServingError("INVALID_ARGUMENT", `invalid model name '${name}', model name must not contain path traversal characters`);
  }
  return modelName(name);
}
