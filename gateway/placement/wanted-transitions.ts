/** How loads and unloads change what is wanted of one model, whoever asks and at whichever gateway. Pure. */
import type { WantedEntry, WantedLoad, WantedModel } from "../../core/store/placement/wanted-models.ts";

/** A load that has no number yet. */
export type LoadPlan = Omit<WantedLoad, "number" | "kept">;

export interface VersionFailure {
  readonly version: string;
  readonly reason: string;
}

export interface StartedLoad {
  /** undefined: nothing changes. */
  readonly wanted: WantedModel | undefined;
  /** Of the load to wait for. */
  readonly number: number;
}

/**
 * What is wanted or on its way already is not loaded again, unless it has failed on its nodes; nor are versions of it that have not
 * changed. Asked for by name, it is no longer one that goes with its ensemble.
 * @param options.numberMin above every number of this model's replicas that any node holds: a store that was emptied may have forgotten them
 */
export function startLoad(
  entry: WantedEntry | undefined,
  plan: LoadPlan,
  options: { readonly numberMin: number; readonly currentFailed: boolean },
): StartedLoad {
  const { current, next, failed, gone = [] } = entry?.wanted ?? {};
  const asMember = plan.asMember === true;
  if (next !== undefined && next.fingerprint === plan.fingerprint) {
    return { wanted: asMember || next.asMember !== true ? undefined : { ...entry?.wanted, gone, next: asked(next) }, number: next.number };
  }
  const rest = { ...(current === undefined ? {} : { current }), ...(failed === undefined ? {} : { failed }), gone };
  if (current !== undefined && current.fingerprint === plan.fingerprint && !options.currentFailed) {
    const changes = next !== undefined || (current.asMember === true && !asMember);
    return { wanted: changes ? { ...rest, current: asMember ? current : asked(current) } : undefined, number: current.number };
  }
  const number = Math.max((entry?.version ?? 0) + 1, options.numberMin);
  const kept = current === undefined || options.currentFailed ? {} : keptVersions(current, plan);
  return { wanted: { ...rest, next: { ...plan, number, ...(Object.keys(kept).length > 0 && { kept }) } }, number };
}

/** What serves already of a plan, by version the number of its load. An ensemble is checked against its models as a whole. */
function keptVersions(current: WantedLoad, { versions, digests = {}, members }: LoadPlan): Readonly<Record<string, number>> {
  if (members !== undefined) return {};
  const same = versions.filter((version) => digests[version] !== undefined && digests[version] === current.digests?.[version]);
  return Object.fromEntries(same.map((version) => [version, current.kept?.[version] ?? current.number]));
}

/** Somebody asks for it by name. */
function asked({ asMember: _, ...load }: WantedLoad): WantedLoad {
  return load;
}

/** The load is ready and takes over. */
export function finishLoad({ current, next, gone }: WantedModel, number: number): WantedModel | undefined {
  if (next === undefined || next.number !== number) return undefined;
  const left = [...gone, ...unloaded(current)].filter(({ version }) => !next.versions.includes(version));
  return { current: next, gone: latestOf(left) };
}

/** What served goes on serving. */
export function failLoad(wanted: WantedModel, number: number, failures: readonly VersionFailure[]): WantedModel | undefined {
  const { current, next, gone } = wanted;
  if (next === undefined || next.number !== number) return undefined;
  const failed = { number, versions: [...failures] };
  if (current !== undefined) return { current, failed, gone };
  return { failed, gone: latestOf([...gone, ...failures]) };
}

/** Whether its last load has failed, and nothing of it serves. */
export function isLost({ current, next, failed }: WantedModel): boolean {
  return current === undefined && next === undefined && failed !== undefined;
}

/** What has failed is not wanted any more either, and what went on its own is unloaded all the same (extensions.md section 3.1). */
export function unload({ current, next, failed, gone }: WantedModel): WantedModel | undefined {
  if (current === undefined && next === undefined && failed === undefined && gone.every(({ reason }) => reason === UNLOADED)) {
    return undefined;
  }
  return { gone: latestOf([...gone.map(({ version }) => ({ version, reason: UNLOADED })), ...unloaded(current ?? next)]) };
}

/** Goes on its own. @param reason why it cannot be served any more */
export function giveUp({ current, gone }: WantedModel, reason: string): WantedModel | undefined {
  return current && { gone: latestOf([...gone, ...unloaded(current, reason)]) };
}

export type LoadOutcome =
  | { readonly kind: "wanted" }
  | { readonly kind: "pending" }
  | { readonly kind: "failed"; readonly versions: readonly VersionFailure[] }
  /** A newer load or unload has been made. */
  | { readonly kind: "superseded" };

/** What has become of a load. */
export function outcomeOf(wanted: WantedModel | undefined, number: number): LoadOutcome {
  if (wanted?.current?.number === number) return { kind: "wanted" };
  if (wanted?.next?.number === number) return { kind: "pending" };
  if (wanted?.failed?.number === number) return { kind: "failed", versions: wanted.failed.versions };
  return { kind: "superseded" };
}

const UNLOADED = "unloaded";

const unloaded = (load: WantedLoad | undefined, reason = UNLOADED): readonly VersionFailure[] =>
  (load?.versions ?? []).map((version) => ({ version, reason }));

/** The last word on each version. */
function latestOf(failures: readonly VersionFailure[]): VersionFailure[] {
  return [...new Map(failures.map((failure) => [failure.version, failure])).values()];
}
