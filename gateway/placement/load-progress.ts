/** How far a load has come, by what the nodes say. Pure. */
import type { ModelName } from "../../core/ids.ts";
import type { WantedLoad } from "../../core/store/placement/wanted-models.ts";
import type { ModelOnNode, ReplicaView, ShardView } from "../control/fleet.ts";
import { replicasOf } from "./desired-of.ts";
import type { VersionFailure } from "./wanted-transitions.ts";

/** What nodes say of the models that they hold. */
export interface Hosted {
  models(): readonly ModelOnNode[];
  shards(): readonly ShardView[];
  replicas(): readonly ReplicaView[];
}

export type VersionProgress =
  | { readonly kind: "loading" }
  | { readonly kind: "ready" }
  | { readonly kind: "failed"; readonly reason: string }
  | { readonly kind: "draining" };

export type LoadProgress =
  | { readonly kind: "loading" }
  | { readonly kind: "ready" }
  | { readonly kind: "failed"; readonly versions: readonly VersionFailure[] };

/** A version is ready as soon as one replica of it is; it has failed when one has and no other can become ready any more. */
export function versionProgress(model: ModelName, version: string, load: WantedLoad, hosted: Hosted): VersionProgress {
  const ids = new Set<string>(replicasOf(model, version, load));
  const states = load.language === undefined ? wholeStates(ids, hosted) : languageStates(ids, hosted);
  const ready = states.find(({ kind }) => kind === "ready");
  const loading = states.find(({ kind }) => kind === "loading");
  return ready ?? loading ?? states.find(({ kind }) => kind === "failed") ?? states[0] ?? { kind: "loading" };
}

/** Ready when every version is; failed when one has and none is on its way any more. */
export function loadProgress(model: ModelName, load: WantedLoad, hosted: Hosted): LoadProgress {
  const states = load.versions.map((version) => ({ version, state: versionProgress(model, version, load, hosted) }));
  if (states.every(({ state }) => state.kind === "ready")) return { kind: "ready" };
  if (states.some(({ state }) => state.kind === "loading")) return { kind: "loading" };
  const versions = states.flatMap(({ version, state }) => (state.kind === "failed" ? [{ version, reason: state.reason }] : []));
  return versions.length === 0 ? { kind: "loading" } : { kind: "failed", versions };
}

const wholeStates = (ids: ReadonlySet<string>, hosted: Hosted): readonly VersionProgress[] =>
  hosted.models().flatMap(({ replica, state }) => (ids.has(replica) ? [state] : []));

function languageStates(ids: ReadonlySet<string>, hosted: Hosted): readonly VersionProgress[] {
  const shards = hosted.shards();
  return [...ids].map((replica): VersionProgress => {
    if (hosted.replicas().some((lead) => lead.replica === replica && lead.ready)) return { kind: "ready" };
    const failed = shards.flatMap((shard) => (shard.replica === replica && shard.state.kind === "failed" ? [shard.state] : []))[0];
    return failed ?? { kind: "loading" };
  });
}
