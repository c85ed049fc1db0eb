/** Loads the models that an ensemble is composed of before itself, in Triton's words where that fails. */
import { ServingError } from "../../core/errors.ts";
import { circle } from "../../core/model/config/ensemble-models.ts";
import type { ModelReference } from "../../core/model/published-model.ts";
import type { WantedLoad } from "../../core/store/placement/wanted-models.ts";
import { type LoadMember, unavailable } from "../placement/composed.ts";

export interface MemberLoads {
  /** What serves of the model; undefined: nobody wants it, or it is on its way for the first time. */
  current(model: string): WantedLoad | undefined;
  /** Names of the repository's models. */
  names(): Promise<readonly string[]>;
  /** Loads a model that nobody has loaded, or waits for who does. @throws ServingError why it cannot be loaded */
  load(model: string): Promise<void>;
}

export const CIRCULAR = "circular_ensemble";

/**
 * @param path ensembles that are being loaded, the outermost first, this one last
 * @returns each model once, with the load of it that serves
 * @throws ServingError INVALID_ARGUMENT naming the model that is not there
 */
export async function loadMembers(
  calls: readonly ModelReference[],
  path: readonly string[],
  loads: MemberLoads,
): Promise<readonly LoadMember[]> {
  const ensemble = path.at(-1) ?? "";
  const names = new Set(calls.map(({ model }) => model));
  for (const model of names) if (path.includes(model)) throw refused(circle(model, ensemble).message, CIRCULAR);
  const toLoad = [...names].filter((model) => loads.current(model) === undefined);
  const known = toLoad.length === 0 ? [] : await loads.names();
  const missing = toLoad.filter((model) => !known.includes(model)).sort();
  if (missing.length > 0) throw refused(unavailable(ensemble, missing));
  await Promise.all(toLoad.map((model) => loadMember(ensemble, model, loads)));
  for (const { model, version } of calls) {
    if (version === undefined || loads.current(model)?.versions.includes(String(version)) === true) continue;
    throw refused(`ensemble '${ensemble}' depends on '${model}' whose required version ${version} is not loaded`);
  }
  return [...names].map((model) => ({ model, number: loads.current(model)?.number ?? 0 }));
}

async function loadMember(ensemble: string, model: string, loads: MemberLoads): Promise<void> {
  try {
    await loads.load(model);
  } catch (thrown) {
    const { message, reason } = ServingError.from(thrown);
    if (reason === CIRCULAR) throw thrown;
    const why = message.replace(`load failed for model '${model}': `, "").trimEnd();
    throw refused(
      `ensemble '${ensemble}' depends on '${model}' which has no loaded version. Model '${model}' loading failed with error: ${why}`,
    );
  }
}

const refused = (message: string, reason = "ensemble_members"): ServingError => new ServingError("INVALID_ARGUMENT", message, { reason });
