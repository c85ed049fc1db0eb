/** One version of a whole model on this node: reads its configuration, opens its instances, serves, drains. */
import { createHash } from "node:crypto";
import path from "node:path";
import { ServingError } from "../../core/errors.ts";
import { type ModelName, modelName } from "../../core/ids.ts";
import type { LoadModel } from "../../core/messages/control.ts";
import type { ModelReport } from "../../core/messages/heartbeat.ts";
import type { NodeModelStatistics } from "../../core/messages/model-statistics.ts";
import type { ModelConfiguration } from "../../core/model/config/configuration.ts";
import { PYTHON_BACKEND } from "../../core/model/config/served-backends.ts";
import { encodePublishedModel, type PublishedModel } from "../../core/model/published-model.ts";
import { statusText } from "../../core/model/status-text.ts";
import { readComposedConfig } from "../../core/repository/composed-config.ts";
import type { ModelSources } from "../../core/repository/model-sources.ts";
import type { Tracer } from "../../core/telemetry/tracing.ts";
import type { InferenceEngine } from "../engines/inference-engine.ts";
import { tracedEngine } from "../tracing/traced-engine.ts";
import { completePython } from "./complete-python.ts";
import { CustomMetrics } from "./custom-metrics.ts";
import { nodeStatistics } from "./node-statistics.ts";
import { type EngineDeps, openEngine } from "./open-engine.ts";
import { prepareVersion } from "./prepare-version.ts";
import { sequenceDurability } from "./sequence-keeping.ts";
import type { Turns } from "./turns.ts";

export interface WholeModelDeps extends Omit<EngineDeps, "onRestart" | "custom"> {
  readonly sources: ModelSources;
  /** False: configurations must say all that a model file says. */
  readonly autoComplete?: boolean;
  /** undefined: nothing is traced. */
  readonly tracer?: Tracer | undefined;
  readonly openTurns: Turns;
  readonly onChange: () => void;
  readonly onRestart: (model: string) => void;
}

type State = ModelReport["state"];

export class WholeModel implements AsyncDisposable {
  readonly load: LoadModel;
  readonly #deps: WholeModelDeps;
  readonly #stop = new AbortController();
  /** Its files on disk: processes that die open them again. */
  readonly #held = new AsyncDisposableStack();
  readonly #opening: Promise<void>;
  #state: State = { kind: "loading" };
  #engine: InferenceEngine | undefined;
  #published: PublishedModel | undefined;
  #view: Uint8Array | undefined;
  readonly #custom: CustomMetrics;
  #cached = false;
  #loadMs = 0;

  constructor(load: LoadModel, deps: WholeModelDeps) {
    this.load = load;
    this.#deps = deps;
    this.#custom = new CustomMetrics(load.model, deps.logger);
    this.#opening = this.#open();
  }

  get state(): State {
    return this.#state;
  }

  /** Takes requests while the model is ready. */
  get engine(): InferenceEngine | undefined {
    return this.#state.kind === "ready" ? this.#engine : undefined;
  }

  /** What clients may know of it, once the model is ready. */
  get published(): PublishedModel | undefined {
    return this.#published;
  }

  /** The same, serialized; known once the model is ready. */
  get view(): Uint8Array | undefined {
    return this.#view;
  }

  report(): ModelReport {
    const { replica, model, version } = this.load;
    const load = this.#engine?.load();
    const sinceMs = load?.queuedSinceMs;
    return {
      replica,
      model,
      version,
      state: this.#state,
      inFlight: load?.running ?? 0,
      queued: load?.queued ?? 0,
      ...(sinceMs !== undefined && { queuedMs: this.#deps.clock.now() - sinceMs }),
      ...(this.#published?.sequences?.kept === false && { pinned: true }),
    };
  }

  /** undefined: it has never been open. */
  statistics(): NodeModelStatistics | undefined {
    return this.#engine === undefined
      ? undefined
      : nodeStatistics(this.#engine, { ...this.load, cached: this.#cached, loadMs: this.#loadMs, custom: this.#custom.series });
  }

  /** Takes nothing new, finishes what is here, gives the memory back. One that is not open yet has nothing to finish. */
  async drain(): Promise<void> {
    if (this.#state.kind === "loading") this.#abort();
    this.#become({ kind: "draining" });
    await this.#opening;
    await this.#engine?.drain();
    await this[Symbol.asyncDispose]();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#abort();
    await this.#opening;
    await this.#engine?.[Symbol.asyncDispose]();
    await this.#held.disposeAsync();
  }

  #abort(): void {
    this.#stop.abort(new ServingError("CANCELLED", "the model is being unloaded"));
  }

  #become(state: State): void {
    this.#state = state;
    this.#deps.onChange();
  }

  async #open(): Promise<void> {
    const { model, version } = this.load;
    try {
      using _turn = await this.#deps.openTurns.take(this.#stop.signal);
      const beganMs = this.#deps.clock.now();
      this.#published = await this.#openEngine();
      this.#loadMs = this.#deps.clock.now() - beganMs;
      const view = encodePublishedModel(this.#published);
      this.#view = view;
      if (this.#state.kind === "loading") this.#become({ kind: "ready", view: createHash("sha256").update(view).digest("hex") });
    } catch (thrown) {
      if (this.#stop.signal.aborted) return;
      const error = ServingError.from(thrown);
      this.#deps.logger.error({ err: error, model, version }, "the model cannot be loaded");
      if (this.#state.kind === "loading") this.#become({ kind: "failed", reason: statusText(error) });
    }
  }

  /** The folder that has the version's files. */
  async #onDisk(model: ModelName): Promise<string> {
    const { source, version } = this.load;
    const onProgress = (share: number) => {
      const fetched = Math.floor(share * 100) / 100;
      if (this.#state.kind === "loading" && this.#state.fetched !== fetched) this.#become({ kind: "loading", fetched });
    };
    const held = await this.#deps.sources.onDisk({ model, source, version }, { onProgress, signal: this.#stop.signal });
    return this.#held.use(held).folder;
  }

  /** @returns what clients may know of the model */
  async #openEngine(): Promise<PublishedModel> {
    const { sources, cache, tracer, autoComplete = true, ...deps } = this.#deps;
    const { replica, version, source, members = [] } = this.load;
    const model = modelName(this.load.model);
    const files = await sources.files(model, source);
    const only = Number(version);
    const composed = await readComposedConfig(sources, this.load, { members, autoComplete, only });
    if (composed.draft.config.backend === PYTHON_BACKEND && source !== "") throw uploadedProgram(model);
    const place = async (name: string) => path.join(await this.#onDisk(model), name);
    const reading = { ...sources.reading, model, autoComplete, only };
    const completed = await completePython(files, composed, { version, place }, reading, deps, this.#stop.signal);
    const read = { ...composed, ...completed };
    const kept = (configuration: ModelConfiguration) => sequenceDurability(configuration, deps.sequences).kind !== "none";
    const { configuration, published, file: found } = await prepareVersion(files, read, { version, kept });
    const file = found === undefined ? "" : await place(found.name);
    this.#cached = configuration.responseCache && cache !== undefined;
    const parameters = new Map([...(sources.reading.parameters ?? []), ...configuration.parameters]);
    const engine = await openEngine(
      {
        replica,
        model,
        version,
        configuration: { ...configuration, parameters },
        configJson: published.configJson,
        composing: read.composing,
        files,
        file,
      },
      { ...deps, cache, custom: this.#custom, onRestart: () => deps.onRestart(model) },
      this.#stop.signal,
    );
    this.#engine = tracer === undefined ? engine : tracedEngine(engine, { model, version }, { tracer, clock: deps.clock });
    return published;
  }
}

/** Whoever may load models need not be somebody who may run programs here. */
const uploadedProgram = (model: string): ServingError =>
  new ServingError(
    "PERMISSION_DENIED",
    `model '${model}' is a Python program that a load call brought along: programs are run from the repository alone, put it there`,
  );
