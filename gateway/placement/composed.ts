/** Ensembles among what is wanted: the models that they call, whether those are wanted too, and what has changed under them. Pure. */
import { type ModelName, modelName } from "../../core/ids.ts";
import type { WantedEntry, WantedLoad } from "../../core/store/placement/wanted-models.ts";
import type { LoadPlan } from "./wanted-transitions.ts";

type Entries = ReadonlyMap<string, WantedEntry>;

/** A model that an ensemble calls, and the load of it that the ensemble was checked against. */
export type LoadMember = NonNullable<WantedLoad["members"]>[number];

/** How a model is loaded that an ensemble is composed of. */
export interface ComposingLoad {
  readonly model: ModelName;
  readonly source: string;
  readonly config: string;
}

export interface Composition {
  /** All that the load is composed of, directly or not; empty for what is no ensemble. */
  readonly loads: readonly ComposingLoad[];
  /** Models that nobody wants: as long as there are any, the ensemble cannot be served. */
  readonly missing: readonly string[];
}

export function compositionOf(load: Pick<WantedLoad, "members">, entries: Entries): Composition {
  const loads = new Map<string, ComposingLoad>();
  const missing = new Set<string>();
  const queue = [...(load.members ?? [])];
  for (let member = queue.shift(); member !== undefined; member = queue.shift()) {
    const { model } = member;
    const { current, next } = entries.get(model)?.wanted ?? {};
    const wanted = current ?? next;
    if (wanted === undefined) missing.add(model);
    if (wanted === undefined || loads.has(model)) continue;
    loads.set(model, { model: modelName(model), source: wanted.source, config: wanted.config });
    queue.push(...(wanted.members ?? []));
  }
  return { loads: [...loads.values()], missing: [...missing].sort() };
}

/** The plan of an ensemble whose models are loaded: other loads of them make it another plan. */
export function composed(plan: LoadPlan, members: readonly LoadMember[]): LoadPlan {
  const [own] = plan.fingerprint.split(COMPOSED);
  const loads = members.map(({ model, number }) => `${model} ${number}`);
  return { ...plan, fingerprint: [own, ...loads].join(COMPOSED), members: [...members] };
}

/** Between the parts of an ensemble's fingerprint; no digest has it. */
const COMPOSED = "|";

/** What an ensemble is to be replaced by since a model of it was loaded anew; undefined: nothing has changed, or a model is missing. */
export function recomposed(load: WantedLoad, entries: Entries): LoadPlan | undefined {
  if (load.members === undefined) return undefined;
  const members: LoadMember[] = [];
  for (const member of load.members) {
    const current = entries.get(member.model)?.wanted.current;
    if (current === undefined) return undefined;
    members.push({ ...member, number: current.number });
  }
  if (members.every(({ number }, place) => number === load.members?.[place]?.number)) return undefined;
  const { number: _number, ...plan } = load;
  return composed(plan, members);
}

/** Models that were loaded for ensembles only, and that none needs any more. */
export function orphans(members: readonly LoadMember[], entries: Entries): readonly string[] {
  const needed = new Set<string>();
  for (const { wanted } of entries.values())
    for (const load of [wanted.current, wanted.next]) for (const { model } of load?.members ?? []) needed.add(model);
  const isOrphan = (model: string) => !needed.has(model) && entries.get(model)?.wanted.current?.asMember === true;
  return [...new Set(members.map(({ model }) => model))].filter(isOrphan);
}

/** What is wrong with an ensemble whose models are not there, in Triton's words. */
export const unavailable = (ensemble: string, missing: readonly string[]): string =>
  `ensemble ${ensemble} contains models that are not available or ambiguous: ${missing.join(", ")}`;
