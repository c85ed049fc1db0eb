/** The model and version that a path names. Pure. */
import { ServingError } from "../../core/errors.ts";
import type { HttpRequest } from "../http/route.ts";
import { invalid } from "./triton-error.ts";

export interface ModelPath {
  readonly name: string;
  /** undefined: none asked for. */
  readonly version: number | undefined;
}

/** @throws ServingError NOT_FOUND for a version that is no number: in Triton such a path does not exist; INVALID_ARGUMENT for one too large */
export function modelPath(request: HttpRequest): ModelPath {
  const name = request.param("model");
  const version = request.param("version");
  if (version === "") return { name, version: undefined };
  if (!/^\d+$/.test(version)) throw new ServingError("NOT_FOUND", "Not Found");
  if (Number.isSafeInteger(Number(version))) return { name, version: Number(version) };
  const details = "(details: stol), version should be an integral value > 0";
  throw invalid(`failed to get model version from specified version string '${version}' ${details}`);
}
