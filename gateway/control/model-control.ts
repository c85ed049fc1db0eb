/**
 * Loads and unloads models for the whole cluster: says in the store what is wanted, and waits until the fleet has it. A reload comes up
 * beside what serves, takes over when every version of it is ready, and leaves no trace when one fails. Any gateway may be asked, and
 * any gateway may find that a load is complete: the store takes the first word.
 */
import { untilAborted } from "../../core/abort.ts";
import { ServingError } from "../../core/errors.ts";
import { type ModelName, modelName, replicaNumber } from "../../core/ids.ts";
import type { ModelReference } from "../../core/model/published-model.ts";
import type { WantedEntry, WantedLoad, WantedModel } from "../../core/store/placement/wanted-models.ts";
import type { Logger } from "../../core/telemetry/logger.ts";
import { composed, orphans, recomposed } from "../placement/composed.ts";
import { type Desired, desiredOf } from "../placement/desired-of.ts";
import { type Hosted, loadProgress } from "../placement/load-progress.ts";
import { failLoad, finishLoad, giveUp, isLost, type LoadPlan, outcomeOf, startLoad, unload } from "../placement/wanted-transitions.ts";
import type { LoadOverrides, ModelControl, ModelIndexEntry } from "../serving/model-catalog.ts";
import { loadMembers } from "./ensemble-members.ts";
import { checkedName, loadFailure } from "./load-refusals.ts";
import type { FolderPlan, ModelFolders } from "./model-folders.ts";
import { indexRows, wholeIndex } from "./model-index.ts";
import type { WantedWatch } from "./wanted-watch.ts";

export interface ModelControlDeps {
  readonly folders: ModelFolders;
  readonly watch: WantedWatch;
  /** What the fleet hosts, as this gateway can use it. */
  readonly hosted: Hosted;
  readonly logger: Logger;
  /** `explicit`, or why loads are refused. */
  readonly mode: "explicit" | "none";
}

const NO_OVERRIDES: LoadOverrides = { files: new Map() };

/** Somebody waits for a load. */
interface Waiting {
  readonly model: ModelName;
  readonly number: number;
  readonly done: PromiseWithResolvers<void>;
}

export class ClusterModelControl implements ModelControl, Disposable {
  readonly #deps: ModelControlDeps;
  readonly #unwatch: () => void;
  readonly #waiting = new Set<Waiting>();
  /** Models whose load is being settled in the store. */
  readonly #settling = new Set<string>();
  /** Models whose folder could not be planned, and why. */
  readonly #unplanned = new Map<string, string>();
  /** By ensemble: what it was to be replaced by when a model of it was loaded anew. */
  readonly #recomposed = new Map<string, string>();
  readonly #closing = new AbortController();
  #desired: { readonly of: ReadonlyMap<string, WantedEntry>; readonly desired: Desired } | undefined;

  constructor(deps: ModelControlDeps) {
    this.#deps = deps;
    this.#unwatch = deps.watch.onChange(() => this.fleetChanged());
  }

  /** For placement: what serves and what is to replace it. The same object until something changes. */
  desired(): Desired {
    const { entries } = this.#deps.watch;
    if (this.#desired?.of !== entries) this.#desired = { of: entries, desired: desiredOf(entries) };
    return this.#desired.desired;
  }

  /** Whether the store knows the model: what it has never heard of is not unloaded. */
  isKnown(model: string): boolean {
    return this.#deps.watch.entries.has(model);
  }

  /** Versions that somebody has asked for, ready or not. */
  known(): readonly { readonly model: string; readonly version: string }[] {
    const unplanned = [...this.#unplanned.keys()].map((model) => ({ model, version: "1" }));
    return [...this.#deps.watch.entries]
      .flatMap(([model, { wanted }]) => rowsOf(wanted).map(({ version }) => ({ model, version })))
      .concat(unplanned);
  }

  /** Resolves when it is known what is wanted already. @throws the signal's reason */
  async storeHeard(signal: AbortSignal): Promise<void> {
    await untilAborted(this.#deps.watch.heardOnce, signal);
  }

  /** Whether a load has failed and nothing of its model serves: as in Triton, that keeps the server from being ready. */
  readonly hasLost = (): boolean => this.#deps.watch.entries.values().some(({ wanted }) => isLost(wanted));

  /** Loads what is to be served from the start: what is named, or all (`*`). Failures are told by the index, too. */
  async loadAll(
    { only = ["*"], except }: { readonly only?: readonly string[]; readonly except: ReadonlySet<string> },
    signal: AbortSignal,
  ): Promise<readonly ServingError[]> {
    const all = only.includes("*") ? await this.#deps.folders.names() : [...new Set(only)];
    const names = all.filter((name) => !except.has(name));
    const outcomes = await Promise.allSettled(names.map((name) => this.#load(name, NO_OVERRIDES, signal)));
    return outcomes.flatMap((outcome) => (outcome.status === "rejected" ? [ServingError.from(outcome.reason)] : []));
  }

  async load(name: string, overrides: LoadOverrides, signal: AbortSignal): Promise<void> {
    this.#refuseUnlessExplicit();
    await this.#load(name, overrides, signal);
  }

  /** Loads what the repository has of the model now, whatever clients may do. @throws ServingError why it cannot be loaded */
  readonly take = (name: string, signal: AbortSignal): Promise<void> => this.#load(name, NO_OVERRIDES, signal);

  /** Resolves when all of it is ready. @throws ServingError why it cannot be; the signal's reason */
  async loadPlanned(model: ModelName, plan: LoadPlan, signal: AbortSignal): Promise<void> {
    const { watch, hosted } = this.#deps;
    let number = 0;
    await watch.change(model, (entry) => {
      const current = entry?.wanted.current;
      const currentFailed = current !== undefined && loadProgress(model, current, hosted).kind === "failed";
      const started = startLoad(entry, plan, { numberMin: this.#highestNumber(model) + 1, currentFailed });
      number = started.number;
      return started.wanted;
    });
    await this.#untilOver(model, number, signal);
  }

  async #untilOver(model: ModelName, number: number, signal: AbortSignal): Promise<void> {
    const waiting: Waiting = { model, number, done: Promise.withResolvers() };
    this.#waiting.add(waiting);
    try {
      this.#tell(waiting);
      await untilAborted(waiting.done.promise, signal);
    } finally {
      this.#waiting.delete(waiting);
    }
  }

  async unload(name: string, options: { readonly dependents: boolean }): Promise<void> {
    this.#refuseUnlessExplicit();
    const model = checkedName(name);
    const members = this.#deps.watch.entries.get(model)?.wanted.current?.members ?? [];
    await this.drop(model);
    if (options.dependents) for (const orphan of orphans(members, this.#deps.watch.entries)) await this.unload(orphan, options);
  }

  /** Unloads the model, whatever clients may do. One that nobody knows is unloaded already (extensions.md section 3.3). */
  async drop(model: ModelName): Promise<void> {
    const serves = this.#highestNumber(model) > 0;
    await this.#deps.watch.change(model, (entry) => {
      // One that the store has never heard of serves since before the store was emptied.
      return entry === undefined ? (serves ? { gone: [] } : undefined) : unload(entry.wanted);
    });
  }

  async index(): Promise<readonly ModelIndexEntry[]> {
    const { hosted } = this.#deps;
    const { entries } = this.#deps.watch;
    const rows = [...entries].flatMap(([model, { wanted }]) => indexRows(modelName(model), wanted, { entries, hosted }));
    const [names, ambiguous] = await Promise.all([this.#deps.folders.names(), this.#deps.folders.ambiguous()]);
    return wholeIndex(rows, { names, ambiguous, unplanned: this.#unplanned });
  }

  /** To be called when the fleet changes: ends the loads that are complete or have failed. */
  fleetChanged(): void {
    for (const [model, { wanted }] of this.#deps.watch.entries) {
      if (wanted.next !== undefined) this.#settle(modelName(model), wanted.next);
      if (wanted.current !== undefined) this.#recompose(modelName(model), wanted.current);
    }
    for (const waiting of this.#waiting) this.#tell(waiting);
  }

  /** @param path ensembles that are being loaded and need it, the outermost first */
  async #load(name: string, overrides: LoadOverrides, signal: AbortSignal, path: readonly ModelName[] = []): Promise<void> {
    const model = checkedName(name);
    let planned: FolderPlan;
    try {
      planned = await this.#deps.folders.plan(model, overrides, this.#deps.watch.entries.get(model)?.wanted.current);
    } catch (cause) {
      if ((await this.#deps.folders.names()).includes(model)) this.#unplanned.set(model, ServingError.from(cause).message);
      throw new ServingError("INTERNAL", `failed to load '${name}', failed to poll from model repository`, { cause });
    }
    this.#unplanned.delete(model);
    const { calls = [], ...own } = planned;
    const asked = overrides.onDemand === true ? { ...own, onDemand: true } : own;
    const plan = path.length === 0 ? asked : { ...asked, asMember: true };
    const ensemble = { plan, calls, path: [...path, model] };
    await this.loadPlanned(model, calls.length === 0 ? plan : await this.#composed(model, ensemble, signal), signal);
  }

  /** The plan of an ensemble, once its models are loaded. */
  async #composed(
    model: ModelName,
    { plan, calls, path }: { readonly path: readonly ModelName[]; readonly plan: LoadPlan; readonly calls: readonly ModelReference[] },
    signal: AbortSignal,
  ): Promise<LoadPlan> {
    const { watch, folders } = this.#deps;
    try {
      const members = await loadMembers(calls, path, {
        current: (member) => watch.entries.get(member)?.wanted.current,
        names: () => folders.names(),
        load: async (member) => {
          const next = watch.entries.get(member)?.wanted.next;
          if (next === undefined) await this.#load(member, NO_OVERRIDES, signal, path);
          else await this.#untilOver(modelName(member), next.number, signal);
        },
      });
      return composed(plan, members);
    } catch (thrown) {
      const error = ServingError.from(thrown);
      this.#unplanned.set(model, error.message);
      const failures = plan.versions.map((version) => ({ version, reason: error.message }));
      throw loadFailure(model, failures, error.reason);
    }
  }

  /** A model that the ensemble calls was loaded anew: the ensemble is checked against it, and goes when it does not fit any more. */
  #recompose(model: ModelName, load: WantedLoad): void {
    const { watch, logger } = this.#deps;
    const plan = recomposed(load, watch.entries);
    if (plan === undefined || this.#recomposed.get(model) === plan.fingerprint) return;
    this.#recomposed.set(model, plan.fingerprint);
    this.loadPlanned(model, plan, this.#closing.signal)
      .catch((thrown: unknown) => {
        const err = ServingError.from(thrown);
        if (err.reason === SUPERSEDED || this.#closing.signal.aborted) return undefined;
        if (err.code !== "INVALID_ARGUMENT") throw err; // it is the store's
        logger.warn({ err, model }, "an ensemble does not fit a model any more that was loaded anew");
        const isThis = (entry: WantedEntry) => entry.wanted.current?.number === load.number;
        return watch.change(model, (entry) => (entry && isThis(entry) ? giveUp(entry.wanted, err.message) : undefined));
      })
      .catch((thrown: unknown) => {
        this.#recomposed.delete(model); // tried again when the fleet changes next
        logger.debug({ err: ServingError.from(thrown), model }, "the store could not be told of an ensemble whose model was loaded anew");
      });
  }

  /** Writes down that a load is complete or has failed, unless another gateway has. */
  #settle(model: ModelName, load: WantedLoad): void {
    const progress = loadProgress(model, load, this.#deps.hosted);
    if (progress.kind === "loading" || this.#settling.has(model)) return;
    this.#settling.add(model);
    this.#deps.watch
      .change(model, (entry) => {
        if (entry === undefined) return undefined;
        return progress.kind === "ready" ? finishLoad(entry.wanted, load.number) : failLoad(entry.wanted, load.number, progress.versions);
      })
      .catch((thrown: unknown) =>
        this.#deps.logger.warn({ err: ServingError.from(thrown), model }, "a load's end could not be written down"),
      )
      .finally(() => this.#settling.delete(model));
  }

  /** Ends the wait for a load when it is over; one that is complete must be usable at this gateway, too. */
  #tell({ model, number, done }: Waiting): void {
    const wanted = this.#deps.watch.entries.get(model)?.wanted;
    const outcome = outcomeOf(wanted, number);
    switch (outcome.kind) {
      case "pending":
        return;
      case "failed":
        done.reject(loadFailure(model, outcome.versions));
        return;
      case "superseded": {
        const text = "Newer operation has been applied to the model lifecycle, current load operation is out-dated.";
        done.reject(new ServingError("INVALID_ARGUMENT", `load failed for model '${model}': ${text}`, { reason: SUPERSEDED }));
        return;
      }
      case "wanted": {
        if (wanted?.current === undefined) return;
        const progress = loadProgress(model, wanted.current, this.#deps.hosted);
        if (progress.kind === "ready") done.resolve();
        else if (progress.kind === "failed") done.reject(loadFailure(model, progress.versions));
      }
    }
  }

  /** Of the model's replicas that any node holds. */
  #highestNumber(model: ModelName): number {
    const { hosted } = this.#deps;
    const mine = [...hosted.models(), ...hosted.shards()].filter((one) => one.model === model);
    return Math.max(0, ...mine.map(({ replica }) => replicaNumber(replica)));
  }

  #refuseUnlessExplicit(): void {
    if (this.#deps.mode === "explicit") return;
    throw new ServingError("UNAVAILABLE", "explicit model load / unload is not allowed if polling is enabled", {
      reason: "model_control_mode",
    });
  }

  [Symbol.dispose](): void {
    this.#unwatch();
    this.#closing.abort(new ServingError("CANCELLED", "the gateway is shutting down"));
  }
}

const SUPERSEDED = "superseded";

const rowsOf = ({ current, next, gone }: WantedModel): readonly { readonly version: string }[] => [
  ...[current, next].flatMap((load) => (load?.versions ?? []).map((version) => ({ version }))),
  ...gone,
];
