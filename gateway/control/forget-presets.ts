/** Takes back what an earlier start was given by its settings: presets are not what clients have loaded. */
import type { WantedModels } from "../../core/store/placement/wanted-models.ts";
import { isPreset } from "../placement/preset-model.ts";
import { unload } from "../placement/wanted-transitions.ts";

/** @param options except: the model that this start is given @throws ServingError UNAVAILABLE */
export async function forgetPresets(store: WantedModels, { except }: { readonly except: string | undefined }): Promise<void> {
  for (const [model, { version, wanted }] of (await store.read(undefined))?.entries ?? []) {
    const forgotten = isPreset(wanted) && model !== except ? unload(wanted) : undefined;
    if (forgotten !== undefined) await store.change(model, version, forgotten);
  }
}
