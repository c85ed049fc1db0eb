/** The whole models on this node, by replica: loads, drains, reports. */
import type { LoadModel } from "../../core/messages/control.ts";
import type { ModelReport } from "../../core/messages/heartbeat.ts";
import { OpenTurns } from "./open-turns.ts";
import { WholeModel, type WholeModelDeps } from "./whole-model.ts";

export type WholeModelsDeps = Omit<WholeModelDeps, "onChange" | "openTurns">;

/** Models that open at a time; each starts a process for each of its instances. */
const OPENING_MAX = 2;

export class WholeModels implements AsyncDisposable {
  readonly #deps: WholeModelsDeps;
  readonly #openTurns = new OpenTurns(OPENING_MAX);
  readonly #models = new Map<string, WholeModel>();
  readonly #draining = new Set<Promise<void>>();
  #changed: () => void = () => {};

  constructor(deps: WholeModelsDeps) {
    this.#deps = deps;
  }

  onChange(listener: () => void): void {
    this.#changed = listener;
  }

  /** A replica that is here already stays as it is. */
  load(command: LoadModel): void {
    if (this.#models.has(command.replica)) return;
    const deps = { ...this.#deps, openTurns: this.#openTurns, onChange: () => this.#changed() };
    this.#models.set(command.replica, new WholeModel(command, deps));
    this.#changed();
  }

  /** What runs and waits is finished first. */
  unload(replica: string): void {
    const model = this.#models.get(replica);
    if (model === undefined || model.state.kind === "draining") return;
    const draining = model.drain().finally(() => {
      this.#models.delete(replica);
      this.#draining.delete(draining);
      this.#changed();
    });
    this.#draining.add(draining);
    this.#changed();
  }

  get(replica: string): WholeModel | undefined {
    return this.#models.get(replica);
  }

  all(): readonly WholeModel[] {
    return [...this.#models.values()];
  }

  /** The published view with this digest. */
  view(digest: string): Uint8Array | undefined {
    return this.all().find((model) => model.state.kind === "ready" && model.state.view === digest)?.view;
  }

  report(): readonly ModelReport[] {
    return this.all().map((model) => model.report());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#draining, ...this.all().map((model) => model[Symbol.asyncDispose]())]);
  }
}
