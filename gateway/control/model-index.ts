/** A model's rows in the repository index. Pure. */
import type { ModelName } from "../../core/ids.ts";
import { IN_SEVERAL } from "../../core/repository/range.ts";
import type { WantedEntry, WantedModel } from "../../core/store/placement/wanted-models.ts";
import { compositionOf, unavailable } from "../placement/composed.ts";
import { type Hosted, type VersionProgress, versionProgress } from "../placement/load-progress.ts";
import type { ModelIndexEntry } from "../serving/model-catalog.ts";

export function indexRows(
  model: ModelName,
  wanted: WantedModel,
  { entries, hosted }: { readonly entries: ReadonlyMap<string, WantedEntry>; readonly hosted: Hosted },
): readonly ModelIndexEntry[] {
  const rows = new Map<string, ModelIndexEntry>();
  for (const { version, reason } of wanted.gone) rows.set(version, { name: model, version, state: "UNAVAILABLE", reason });
  for (const load of [wanted.current, wanted.next]) {
    if (load === undefined) continue;
    const { missing } = compositionOf(load, entries);
    for (const version of load.versions) {
      if (load === wanted.next && rows.get(version)?.state === "READY") continue; // the old one serves
      const state: VersionProgress =
        missing.length === 0 ? versionProgress(model, version, load, hosted) : { kind: "failed", reason: unavailable(model, missing) };
      rows.set(version, { name: model, version, ...indexState(state) });
    }
  }
  return [...rows.values()];
}

export interface RepositoryNames {
  readonly names: readonly string[];
  /** In several repositories. */
  readonly ambiguous: readonly string[];
  /** Models whose folder could not be planned, and why. */
  readonly unplanned: ReadonlyMap<string, string>;
}

/** @param rows of what somebody has asked for @returns also a row for every other model, sorted */
export function wholeIndex(rows: readonly ModelIndexEntry[], { names, ambiguous, unplanned }: RepositoryNames): readonly ModelIndexEntry[] {
  const others = new Map<string, ModelIndexEntry>(names.map((name) => [name, { name }]));
  for (const [name, reason] of unplanned) others.set(name, { name, version: "1", state: "UNAVAILABLE", reason });
  for (const name of ambiguous) others.set(name, { name, state: "UNAVAILABLE", reason: IN_SEVERAL });
  for (const { name } of rows) others.delete(name);
  const all = [...rows, ...others.values()];
  return all.sort((a, b) => (a.name === b.name ? Number(a.version) - Number(b.version) : a.name < b.name ? -1 : 1));
}

function indexState(progress: VersionProgress): Pick<ModelIndexEntry, "state" | "reason"> {
  switch (progress.kind) {
    case "ready":
      return { state: "READY" };
    case "failed":
      return { state: "UNAVAILABLE", reason: progress.reason };
    case "draining":
      return { state: "UNLOADING" };
    case "loading":
      return { state: "LOADING" };
  }
}
