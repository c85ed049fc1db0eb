/** Finds the version of a model that a path names, or says what is wrong as Triton's core does. Pure. */
import { ServingError } from "../../core/errors.ts";
import type { ServedModel } from "../serving/generation/text-generation.ts";

/** The versions that answer. */
function readyVersions(models: readonly ServedModel[], name: string): readonly ServedModel[] {
  return models.filter((model) => model.name === name && model.readiness.kind === "ready");
}

/**
 * @param version undefined: any. @returns the ready versions that fit, at least one.
 * @throws ServingError NOT_FOUND, or UNAVAILABLE for a version that is there but not ready.
 */
export function availableVersions(models: readonly ServedModel[], name: string, version: number | undefined): readonly ServedModel[] {
  const known = models.filter((model) => model.name === name);
  if (known.length === 0) throw unknown(`'${name}' is not found`);
  const ready = readyVersions(models, name);
  if (version === undefined) {
    if (ready.length === 0) throw unknown(`'${name}' has no available versions`);
    return ready;
  }
  const asked = ready.filter((model) => isVersion(model, version));
  if (asked.length > 0) return asked;
  if (!known.some((model) => isVersion(model, version))) throw unknown(`'${name}' version ${version} is not found`);
  throw new ServingError("UNAVAILABLE", `Request for unknown model: '${name}' version ${version} is not at ready state`);
}

export function isModelReady(models: readonly ServedModel[], name: string, version: number | undefined): boolean {
  return readyVersions(models, name).some((model) => version === undefined || isVersion(model, version));
}

function isVersion(model: ServedModel, version: number): boolean {
  return model.version === String(version);
}

function unknown(what: string): ServingError {
  return new ServingError("NOT_FOUND", `Request for unknown model: ${what}`, { reason: "model_not_found" });
}
