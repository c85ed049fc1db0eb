/** The whole models on this node, by replica: loads, drains, reports. */

import { replicaNumber } from "../../core/ids.ts";
import type { LoadModel } from "../../core/messages/control.ts";
import type { ModelReport } from "../../core/messages/heartbeat.ts";
import type { NodeModelStatistics } from "../../core/messages/model-statistics.ts";
import type { Gateways } from "../calls/gateways.ts";
import { type HostedVersion, NodeCalls } from "../calls/node-calls.ts";
import { PastStatistics } from "./past-statistics.ts";
import { Turns } from "./turns.ts";
import { WholeModel, type WholeModelDeps } from "./whole-model.ts";

export interface WholeModelsDeps extends Omit<WholeModelDeps, "onChange" | "openTurns" | "calls"> {
  /** Whom models ask to load others. */
  readonly gateways: Gateways;
}

/** Models that open at a time; each starts a process for each of its instances. */
const OPENING_MAX = 2;

export class WholeModels implements AsyncDisposable {
  readonly #deps: WholeModelsDeps;
  readonly #openTurns = new Turns(OPENING_MAX);
  readonly #models = new Map<string, WholeModel>();
  /** By `model/version`, the earliest load first. */
  readonly #versions = new Map<string, readonly WholeModel[]>();
  readonly #calls: NodeCalls;
  readonly #draining = new Set<Promise<void>>();
  readonly #past = new PastStatistics();
  #changed: () => void = () => {};

  constructor(deps: WholeModelsDeps) {
    this.#deps = deps;
    this.#calls = new NodeCalls((model, version) => this.#hosted(model, version), deps.gateways, deps.clock);
  }

  onChange(listener: () => void): void {
    this.#changed = listener;
  }

  /** A replica that is here already stays as it is. */
  load(command: LoadModel): void {
    if (this.#models.has(command.replica)) return;
    const deps = { ...this.#deps, calls: this.#calls, openTurns: this.#openTurns, onChange: () => this.#changed() };
    this.#models.set(command.replica, new WholeModel(command, deps));
    this.#index(command);
    this.#changed();
  }

  /** What runs and waits is finished first. */
  unload(replica: string): void {
    const model = this.#models.get(replica);
    if (model === undefined || model.state.kind === "draining") return;
    const draining = model.drain().finally(() => {
      this.#models.delete(replica);
      this.#index(model.load);
      this.#past.add(model.statistics());
      this.#draining.delete(draining);
      this.#changed();
    });
    this.#draining.add(draining);
    this.#changed();
  }

  #index({ model, version }: LoadModel): void {
    const same = this.all().filter(({ load }) => load.model === model && load.version === version);
    same.sort((one, other) => replicaNumber(one.load.replica) - replicaNumber(other.load.replica));
    if (same.length === 0) this.#versions.delete(`${model}/${version}`);
    else this.#versions.set(`${model}/${version}`, same);
  }

  /** What takes a call here. */
  #hosted(name: string, version: number): HostedVersion | undefined {
    for (const { load, engine, published } of this.#versions.get(`${name}/${version}`) ?? []) {
      if (engine !== undefined && published !== undefined) return { replica: load.replica, engine, published };
    }
    return undefined;
  }

  get(replica: string): WholeModel | undefined {
    return this.#models.get(replica);
  }

  all(): readonly WholeModel[] {
    return [...this.#models.values()];
  }

  /** Whether requests wait or run. */
  get busy(): boolean {
    for (const { engine } of this.#models.values()) {
      const load = engine?.load();
      if (load !== undefined && load.queued + load.running > 0) return true;
    }
    return false;
  }

  /** The published view with this digest. */
  view(digest: string): Uint8Array | undefined {
    return this.all().find((model) => model.state.kind === "ready" && model.state.view === digest)?.view;
  }

  /** Of loads that are here, and of those that are over. @param name empty: of all models */
  statistics(name: string): readonly NodeModelStatistics[] {
    const here = this.all().flatMap((model) => model.statistics() ?? []);
    return [...here, ...this.#past.all()].filter(({ model }) => name === "" || model === name);
  }

  report(): readonly ModelReport[] {
    return this.all().map((model) => model.report());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#draining, ...this.all().map((model) => model[Symbol.asyncDispose]())]);
  }
}
