/**
 * Loads and unloads whole models for the whole cluster: says what is wanted, and waits until the fleet has it. A reload comes up
 * beside what serves, takes over when every version of it is ready, and leaves no trace when one fails.
 */
import { untilAborted } from "../../core/abort.ts";
import { ServingError } from "../../core/errors.ts";
import { type ModelName, modelName, replicaId } from "../../core/ids.ts";
import type { DesiredModel } from "../placement/desired.ts";
import type { LoadOverrides, ModelControl, ModelIndexEntry } from "../serving/model-catalog.ts";
import type { Fleet, ModelOnNode } from "./fleet.ts";
import type { ModelFolders, PlannedModel } from "./model-folders.ts";

/** What is wanted of one model. */
interface Wanted {
  readonly name: ModelName;
  /** Equal for loads that would give the same. */
  readonly fingerprint: string;
  readonly replicas: readonly DesiredModel[];
}

interface Load extends Wanted {
  readonly done: PromiseWithResolvers<void>;
}

export interface ModelControlDeps {
  readonly folders: ModelFolders;
  readonly fleet: Pick<Fleet, "models">;
  /** Called when what is wanted has changed. */
  readonly nudge: () => void;
  /** `explicit`, or why loads are refused. */
  readonly mode: "explicit" | "none";
}

export class ClusterModelControl implements ModelControl {
  readonly #deps: ModelControlDeps;
  /** What serves, or is on its way for the first time. */
  readonly #wanted = new Map<ModelName, Wanted>();
  readonly #loads = new Map<ModelName, Load>();
  /** Why versions are not there any more, by `model/version`. */
  readonly #gone = new Map<string, { readonly model: ModelName; readonly version: string; readonly reason: string }>();
  #replicaNumber = 0;

  constructor(deps: ModelControlDeps) {
    this.#deps = deps;
  }

  /** For placement: what serves and what is to replace it. */
  desired(): readonly DesiredModel[] {
    return [...this.#wanted.values(), ...this.#loads.values()].flatMap(({ replicas }) => replicas);
  }

  /** Versions that somebody has asked for, ready or not. */
  known(): readonly { readonly model: string; readonly version: string }[] {
    return [...this.desired(), ...this.#gone.values()];
  }

  /** Loads everything in the repository, as at start. Failures are told by the index. */
  async loadAll(signal: AbortSignal): Promise<readonly ServingError[]> {
    const names = await this.#deps.folders.names();
    const outcomes = await Promise.allSettled(names.map((name) => this.#load(name, { files: new Map() }, signal)));
    return outcomes.flatMap((outcome) => (outcome.status === "rejected" ? [ServingError.from(outcome.reason)] : []));
  }

  async load(name: string, overrides: LoadOverrides, signal: AbortSignal): Promise<void> {
    this.#refuseUnlessExplicit();
    await this.#load(name, overrides, signal);
  }

  async unload(name: string, _options: { readonly dependents: boolean }): Promise<void> {
    this.#refuseUnlessExplicit();
    const model = checkedName(name);
    const wanted = this.#wanted.get(model);
    this.#supersede(model);
    if (wanted === undefined) {
      if ((await this.#deps.folders.names()).includes(model)) return;
      throw new ServingError("INTERNAL", `failed to unload '${name}', model is not found`);
    }
    this.#forget(wanted, "unloaded");
    this.#deps.nudge();
  }

  async index(): Promise<readonly ModelIndexEntry[]> {
    const hosted = this.#deps.fleet.models();
    const entries = new Map<string, ModelIndexEntry>();
    for (const { model, version, reason } of this.#gone.values())
      entries.set(`${model}/${version}`, { name: model, version, state: "UNAVAILABLE", reason });
    for (const { replica, model, version } of this.desired()) {
      const here = hosted.find((one) => one.replica === replica);
      entries.set(`${model}/${version}`, { name: model, version, ...indexState(here) });
    }
    const names = await this.#deps.folders.names();
    const rows = [...entries.values()];
    for (const name of names) if (!rows.some((row) => row.name === name)) rows.push({ name });
    return rows.toSorted((a, b) => (a.name === b.name ? Number(a.version) - Number(b.version) : a.name < b.name ? -1 : 1));
  }

  /** To be called when the fleet changes: ends the loads that are complete or have failed. */
  fleetChanged(): void {
    const hosted = new Map(this.#deps.fleet.models().map((one) => [one.replica, one]));
    for (const load of [...this.#loads.values()]) {
      const states = load.replicas.map(({ replica }) => hosted.get(replica)?.state);
      const failures = load.replicas.flatMap(({ version }, index) => {
        const state = states[index];
        return state?.kind === "failed" ? [{ version, reason: state.reason }] : [];
      });
      if (failures.length > 0 && states.every((state) => state !== undefined && state.kind !== "loading")) this.#failed(load, failures);
      else if (states.every((state) => state?.kind === "ready")) this.#ready(load);
    }
  }

  async #load(name: string, overrides: LoadOverrides, signal: AbortSignal): Promise<void> {
    const model = checkedName(name);
    let planned: PlannedModel;
    try {
      planned = await this.#deps.folders.plan(model, overrides);
    } catch (cause) {
      const { message } = ServingError.from(cause);
      if ((await this.#deps.folders.names()).includes(model)) this.#gone.set(`${model}/`, { model, version: "1", reason: message });
      throw new ServingError("INTERNAL", `failed to load '${name}', failed to poll from model repository`, { cause });
    }
    this.#gone.delete(`${model}/`);
    if (this.#wanted.get(model)?.fingerprint === planned.fingerprint && !this.#loads.has(model)) return;
    this.#supersede(model);
    this.#replicaNumber += 1;
    const number = this.#replicaNumber;
    const { source, config, fingerprint } = planned;
    const replicas = planned.versions.map((version) => ({ replica: replicaId(model, version, number), model, version, source, config }));
    const load: Load = { name: model, fingerprint, replicas, done: Promise.withResolvers() };
    this.#loads.set(model, load);
    this.#deps.nudge();
    await untilAborted(load.done.promise, signal);
  }

  #ready(load: Load): void {
    this.#loads.delete(load.name);
    const before = this.#wanted.get(load.name);
    if (before !== undefined) this.#forget(before, "unloaded");
    for (const { version } of load.replicas) this.#gone.delete(`${load.name}/${version}`);
    this.#wanted.set(load.name, load);
    this.#deps.nudge();
    load.done.resolve();
  }

  /** What served goes on serving. */
  #failed(load: Load, failures: readonly { readonly version: string; readonly reason: string }[]): void {
    this.#loads.delete(load.name);
    if (!this.#wanted.has(load.name)) {
      for (const { version, reason } of failures) this.#gone.set(`${load.name}/${version}`, { model: load.name, version, reason });
    }
    this.#deps.nudge();
    const reasons = failures.map(({ version, reason }) => `version ${version} is at UNAVAILABLE state: ${reason};\n`).join("");
    load.done.reject(new ServingError("INVALID_ARGUMENT", `load failed for model '${load.name}': ${reasons}`));
  }

  /** A newer call has been made: what an older one waits for does not come any more. */
  #supersede(model: ModelName): void {
    const load = this.#loads.get(model);
    if (load === undefined) return;
    this.#loads.delete(model);
    const text = "Newer operation has been applied to the model lifecycle, current load operation is out-dated.";
    load.done.reject(new ServingError("INVALID_ARGUMENT", `load failed for model '${model}': ${text}`));
  }

  #forget(wanted: Wanted, reason: string): void {
    this.#wanted.delete(wanted.name);
    for (const { version } of wanted.replicas) this.#gone.set(`${wanted.name}/${version}`, { model: wanted.name, version, reason });
  }

  #refuseUnlessExplicit(): void {
    if (this.#deps.mode === "explicit") return;
    throw new ServingError("UNAVAILABLE", "explicit model load / unload is not allowed if polling is enabled", {
      reason: "model_control_mode",
    });
  }
}

/** Triton's texts (model-repository.md section 4.1). */
function checkedName(text: string): ModelName {
  const name = text.trim();
  if (name === "") throw new ServingError("INVALID_ARGUMENT", "Model name cannot be empty. Please enter a valid name to deploy.");
  if (name.includes("/") || name.includes("..")) {
    throw new ServingError("INVALID_ARGUMENT", `invalid model name '${name}', model name must not contain path traversal characters`);
  }
  return modelName(name);
}

function indexState(hosted: ModelOnNode | undefined): Pick<ModelIndexEntry, "state" | "reason"> {
  switch (hosted?.state.kind) {
    case "ready":
      return { state: "READY" };
    case "failed":
      return { state: "UNAVAILABLE", reason: hosted.state.reason };
    case "draining":
      return { state: "UNLOADING" };
    case "loading":
    case undefined:
      return { state: "LOADING" };
  }
}
