/** A model's rows in the repository index. Pure. */
import type { ModelName } from "../../core/ids.ts";
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
