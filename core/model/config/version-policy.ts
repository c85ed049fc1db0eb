/** Which versions of a model are there, and which of them are served. Pure. */
import type { ModelFolder } from "./model-folder.ts";
import { linkNote, versionsFix } from "./problems/layout-fixes.ts";
import type { ConfigProblem } from "./problems/problem.ts";

export type VersionPolicy =
  | { readonly kind: "latest"; readonly count: number }
  | { readonly kind: "all" }
  | { readonly kind: "specific"; readonly versions: readonly number[] };

export interface ChosenVersions {
  /** To be served, highest first. */
  readonly served: readonly number[];
  /** Asked for by number, but not there: worth a line in the log. */
  readonly missing: readonly number[];
}

const VERSION_FOLDER = /^[1-9]\d{0,15}$/;

/**
 * The versions in a model's folder, highest first: folders named by a number without leading zeros.
 * @param files relative to the model's folder, `1/model.onnx`
 */
export function versionsOf(files: readonly string[]): readonly number[] {
  const folders = files.filter((name) => name.includes("/")).map((name) => name.slice(0, name.indexOf("/")));
  const versions = [...new Set(folders)].filter((name) => VERSION_FOLDER.test(name)).map(Number);
  return versions.filter(Number.isSafeInteger).sort((a, b) => b - a);
}

/** None served is an error: `noVersionProblem`. */
export function chooseVersions(policy: VersionPolicy, available: readonly number[]): ChosenVersions {
  const descending = available.toSorted((a, b) => b - a);
  if (policy.kind === "specific") {
    return {
      served: descending.filter((version) => policy.versions.includes(version)),
      missing: policy.versions.filter((version) => !descending.includes(version)),
    };
  }
  return { served: descending.slice(0, policy.kind === "latest" ? policy.count : undefined), missing: [] };
}

export function noVersionProblem(folder: ModelFolder): ConfigProblem {
  return {
    message: `at least one version must be available under the version policy of model '${folder.name}'${linkNote(folder)}`,
    path: ["version_policy"],
    fix: versionsFix(folder),
  };
}
