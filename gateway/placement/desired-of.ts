/** From what the store says is wanted to the replicas that placement keeps running. Pure. */
import { type ModelName, modelName, type ReplicaId, replicaId } from "../../core/ids.ts";
import type { WantedEntry, WantedLoad } from "../../core/store/placement/wanted-models.ts";
import { type ComposingLoad, compositionOf } from "./composed.ts";
import type { DesiredModel, DesiredReplica } from "./desired.ts";

export interface Desired {
  /** Of models that are cut over nodes. */
  readonly replicas: readonly DesiredReplica[];
  /** Of whole models. */
  readonly models: readonly DesiredModel[];
}

/** What serves, and what is to replace it, where a version that is kept is part of both; ensembles while all their models are wanted. */
export function desiredOf(entries: ReadonlyMap<string, WantedEntry>): Desired {
  const replicas = new Map<ReplicaId, DesiredReplica>();
  const models = new Map<ReplicaId, DesiredModel>();
  for (const [name, { wanted }] of entries) {
    for (const load of [wanted.current, wanted.next]) {
      if (load === undefined) continue;
      const model = modelName(name);
      const { loads, missing } = compositionOf(load, entries);
      if (missing.length > 0) continue;
      if (load.language === undefined) for (const one of wholeModels(model, load, loads)) models.set(one.replica, one);
      else for (const one of languageReplicas(model, load, load.language)) replicas.set(one.replica, one);
    }
  }
  return { replicas: [...replicas.values()], models: [...models.values()] };
}

/** The ids of a version's replicas. */
export function replicasOf(model: ModelName, version: string, { number, kept, copies }: Pick<WantedLoad, "number" | "kept" | "copies">) {
  return Array.from({ length: copies }, (_, copy) => replicaId(model, version, kept?.[version] ?? number, copy));
}

function wholeModels(model: ModelName, load: WantedLoad, members: readonly ComposingLoad[]): readonly DesiredModel[] {
  const { source, config, bytes, labels } = load;
  return load.versions.flatMap((version) =>
    replicasOf(model, version, load).map((replica) => ({
      replica,
      model,
      version,
      source,
      config,
      bytes,
      ...(labels && { labels }),
      ...(members.length > 0 && { members }),
    })),
  );
}

function languageReplicas(model: ModelName, load: WantedLoad, language: NonNullable<WantedLoad["language"]>): readonly DesiredReplica[] {
  const { stages, quantization, slots, threads, prefixCacheTokens, journal } = language;
  const contextLength = language.contextLength === 0 ? undefined : language.contextLength;
  const { bytes, labels } = load;
  return load.versions.flatMap((version) =>
    replicasOf(model, version, load).map((replica) => ({
      replica,
      model,
      version,
      stages: stages === 0 ? "auto" : stages,
      quantization,
      slots,
      contextLength,
      threads,
      nodesMin: 1,
      bytes,
      ...(labels && { labels }),
      ...(prefixCacheTokens !== undefined && { prefixCacheTokens }),
      ...(journal !== undefined && { journal }),
    })),
  );
}
