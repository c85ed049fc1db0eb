/** From what is wanted and what nodes say to the models whose number of copies may change, and how busy their copies are. Pure. */
import { modelName } from "../../core/ids.ts";
import type { WantedEntry } from "../../core/store/placement/wanted-models.ts";
import type { ScaledModel } from "./copies-scaler.ts";
import { replicasOf } from "./desired-of.ts";
import type { Hosted } from "./load-progress.ts";

/** Those that say how many copies there may be; a model that is being loaded anew keeps its copies until that is over. */
export function scaledModels(entries: ReadonlyMap<string, WantedEntry>, hosted: Hosted): readonly ScaledModel[] {
  return [...entries].flatMap(([model, { wanted }]) => {
    const { current, next } = wanted;
    if (current?.copiesMax === undefined || next !== undefined) return [];
    const { copies, copiesMin = 1, copiesMax } = current;
    // Of several versions the newest is what most ask for.
    const version = current.versions.at(-1) ?? "";
    const ids = new Set<string>(replicasOf(modelName(model), version, current));
    const language = hosted
      .replicas()
      .filter(({ replica, ready }) => ready && ids.has(replica))
      .map(({ queuedMs = 0, busySlots, slots }) => ({ queuedMs, full: Math.min(1, busySlots / Math.max(1, slots)) }));
    const whole = hosted
      .models()
      .filter(({ replica, state }) => state.kind === "ready" && ids.has(replica))
      // A copy whose sequences no store has is never one too many.
      .map(({ queuedMs = 0, inFlight, pinned }) => ({ queuedMs, full: pinned === true ? 1 : Math.min(1, inFlight) }));
    return [{ model, copies, copiesMin, copiesMax, ready: [...language, ...whole] }];
  });
}
