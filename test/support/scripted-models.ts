/**
 * A real implementation of the tensor ports without nodes: small functions of tensors (identity, sum and difference, an ensemble, one
 * that throws, one that does not load), checked, counted, loaded and unloaded as Triton's core does it.
 */
import { type ErrorCode, ServingError } from "../../core/errors.ts";
import type { ParameterValue } from "../../core/messages/parameter-value.ts";
import { checkInferRequest } from "../../core/model/check-inputs.ts";
import type { Tensor } from "../../core/tensor/tensor.ts";
import type { DecoupledResponse, Inference, InferRequest, InferResponse } from "../../gateway/serving/inference.ts";
import type {
  LoadOverrides,
  ModelCatalog,
  ModelControl,
  ModelIndexEntry,
  ModelStatistics,
  ModelStatisticsSource,
  ModelView,
} from "../../gateway/serving/model-catalog.ts";
import { configJson, MODEL_SCRIPTS, type ModelScript, viewOf } from "./scripted-models-table.ts";
import { SCRIPTED_PICK } from "./scripted-pick.ts";
import { ScriptedRepeat } from "./scripted-repeat.ts";
import { batchStatistics, NO_STATISTICS } from "./scripted-statistics.ts";

export type ControlMode = "none" | "explicit";

type State =
  | { readonly kind: "ready"; readonly view: ModelView; readonly config: string }
  | { readonly kind: "failed"; readonly reason: string }
  | { readonly kind: "unloaded" };

const BROKEN_REASON =
  "Internal: ModuleNotFoundError: No module named 'nothing_here'\n\nAt:\n  /models/broken/1/model.py(1): <module>\n" +
  "  <frozen importlib._bootstrap>(241): _call_with_frames_removed\n  <frozen importlib._bootstrap_external>(940): exec_module\n" +
  "  <frozen importlib._bootstrap>(705): _load_unlocked\n  <frozen importlib._bootstrap>(1150): _find_and_load_unlocked\n" +
  "  <frozen importlib._bootstrap>(1176): _find_and_load\n";

export class ScriptedModels implements Inference, ModelCatalog, ModelControl, ModelStatisticsSource {
  readonly #mode: ControlMode;
  readonly #scripts: readonly ModelScript[];
  /** Models that somebody has asked to load, by name. */
  readonly #states = new Map<string, State>();
  readonly #inferences = new Map<string, { done: number; executed: number }>();
  /** What was asked, in order. */
  readonly requests: InferRequest[] = [];
  readonly loads: { readonly name: string; readonly overrides: LoadOverrides }[] = [];
  readonly unloads: { readonly name: string; readonly dependents: boolean }[] = [];

  constructor({ mode = "none", scripts = MODEL_SCRIPTS }: { readonly mode?: ControlMode; readonly scripts?: readonly ModelScript[] } = {}) {
    this.#mode = mode;
    this.#scripts = scripts;
    if (mode === "none") for (const script of scripts) this.#open(script, undefined);
  }

  async infer(request: InferRequest, signal: AbortSignal): Promise<InferResponse> {
    this.requests.push(request);
    request.explanation?.add(SCRIPTED_PICK);
    const view = this.view(request.model, request.version);
    checkInferRequest(request, view);
    signal.throwIfAborted();
    const counts = this.#countsOf(view.name);
    counts.executed++;
    const { outputs, parameters } = this.#run(this.#script(view.name), request);
    counts.done++;
    const wanted = request.outputs.length === 0 ? outputs : outputs.filter(({ name }) => request.outputs.includes(name));
    return { model: view.name, version: view.version, parameters, outputs: wanted };
  }

  responses(request: InferRequest, signal: AbortSignal): AsyncIterable<DecoupledResponse> {
    return new ScriptedRepeat(this).responses(request, signal);
  }

  view(name: string, version: number | undefined): ModelView {
    const unknown = (code: ErrorCode, what: string) => new ServingError(code, `Request for unknown model: '${name}' ${what}`);
    const state = this.#states.get(name);
    if (state === undefined) throw unknown("NOT_FOUND", "is not found");
    if (version === undefined) {
      if (state.kind === "ready") return state.view;
      throw unknown("NOT_FOUND", "has no available versions");
    }
    if (version !== 1) throw unknown("NOT_FOUND", `version ${version} is not found`);
    if (state.kind === "ready") return state.view;
    throw unknown("UNAVAILABLE", `version ${version} is not at ready state`);
  }

  isReady(name: string, version: number | undefined): boolean {
    return this.#states.get(name)?.kind === "ready" && (version ?? 1) === 1;
  }

  allReady(): boolean {
    return this.#states.values().every(({ kind }) => kind !== "failed");
  }

  async index(): Promise<readonly ModelIndexEntry[]> {
    return this.#scripts.map(({ name }) => {
      const state = this.#states.get(name);
      if (state === undefined) return { name };
      if (state.kind === "ready") return { name, version: "1", state: "READY" };
      return { name, version: "1", state: "UNAVAILABLE", reason: state.kind === "failed" ? state.reason : "unloaded" };
    });
  }

  async load(name: string, overrides: LoadOverrides): Promise<void> {
    this.#checkMode();
    this.loads.push({ name, overrides });
    const script = this.#scripts.find((known) => known.name === name);
    const maxBatchSize = overrides.config === undefined ? undefined : batchSizeOf(overrides.config);
    if (script === undefined || maxBatchSize === "malformed") {
      throw new ServingError("INTERNAL", `failed to load '${name}', failed to poll from model repository`);
    }
    for (const step of script.steps ?? []) this.#open(this.#script(step), undefined);
    this.#open(script, maxBatchSize);
    const state = this.#states.get(name);
    if (state?.kind !== "failed") return;
    const clause = `version 1 is at UNAVAILABLE state: ${state.reason};`;
    throw new ServingError("INVALID_ARGUMENT", `load failed for model '${name}': ${clause}\n`);
  }

  async unload(name: string, { dependents }: { readonly dependents: boolean }): Promise<void> {
    this.#checkMode();
    this.unloads.push({ name, dependents });
    const steps = dependents ? (this.#scripts.find((script) => script.name === name)?.steps ?? []) : [];
    for (const gone of [name, ...steps]) if (this.#states.has(gone)) this.#states.set(gone, { kind: "unloaded" });
  }

  async statistics(name: string | undefined, version: number | undefined): Promise<readonly ModelStatistics[]> {
    const ready = [...this.#states].flatMap(([model, { kind }]) => (kind === "ready" ? [model] : [])).sort();
    if (name === undefined) return ready.map((model) => this.#statisticsOf(model));
    if (!ready.includes(name)) throw new ServingError("INVALID_ARGUMENT", `requested model '${name}' is not available`);
    if ((version ?? 1) === 1) return [this.#statisticsOf(name)];
    throw new ServingError("INVALID_ARGUMENT", `requested model version is not available for model '${name}'`);
  }

  #checkMode(): void {
    if (this.#mode === "explicit") return;
    throw new ServingError("UNAVAILABLE", "explicit model load / unload is not allowed if polling is enabled");
  }

  #open(script: ModelScript, maxBatchSize: number | undefined): void {
    const batched = maxBatchSize === undefined ? script : { ...script, maxBatchSize };
    const state: State =
      script.does === "broken"
        ? { kind: "failed", reason: BROKEN_REASON }
        : { kind: "ready", view: viewOf(batched), config: configJson(batched) };
    this.#states.set(script.name, state);
  }

  #script(name: string): ModelScript {
    const script = this.#scripts.find((known) => known.name === name);
    if (script === undefined) throw new ServingError("NOT_FOUND", `no script of ${name}`);
    return script;
  }

  #countsOf(name: string): { done: number; executed: number } {
    const counts = this.#inferences.get(name) ?? { done: 0, executed: 0 };
    this.#inferences.set(name, counts);
    return counts;
  }

  #statisticsOf(name: string): ModelStatistics {
    const counts = this.#inferences.get(name);
    return { ...NO_STATISTICS, ...(counts !== undefined && batchStatistics(counts)), name, version: "1" };
  }

  #run(script: ModelScript, { inputs }: InferRequest): Pick<InferResponse, "outputs" | "parameters"> {
    const parameters: ReadonlyMap<string, ParameterValue> = new Map();
    const tensors = script.inputs.flatMap(({ name }) => inputs.find((input) => input.name === name) ?? []);
    switch (script.does) {
      case "identity":
        return { outputs: tensors.map((input, index) => ({ ...input, name: script.outputs[index]?.name ?? "" })), parameters };
      case "ensemble":
        return { outputs: tensors.map((input) => ({ ...input, name: "Y" })), parameters: SEQUENCE_PARAMETERS };
      case "add-sub":
        return { outputs: [combined("OUTPUT0", tensors, (a, b) => a + b), combined("OUTPUT1", tensors, (a, b) => a - b)], parameters };
      case "raises":
      case "broken":
      case "repeat":
        throw new ServingError(
          "INTERNAL",
          `Failed to process the request(s) for model '${script.name}_0_0', message: ValueError: boom\n\nAt:\n  ` +
            `/models/${script.name}/1/model.py(4): execute\n`,
        );
    }
  }
}

/** Triton's ensembles return the sequence's parameters. */
const SEQUENCE_PARAMETERS: ReadonlyMap<string, ParameterValue> = new Map<string, ParameterValue>([
  ["sequence_id", 0n],
  ["sequence_start", false],
  ["sequence_end", false],
]);

function combined(name: string, [a, b]: readonly Tensor[], combine: (a: number, b: number) => number): Tensor {
  if (a === undefined || b === undefined) throw new ServingError("INTERNAL", "two inputs were checked");
  const [left, right] = [new Float32Array(a.data.slice().buffer), new Float32Array(b.data.slice().buffer)];
  const values = left.map((value, index) => combine(value, right[index] ?? 0));
  return { name, dtype: "FP32", shape: a.shape, data: new Uint8Array(values.buffer) };
}

function batchSizeOf(config: string): number | "malformed" {
  try {
    const parsed: unknown = JSON.parse(config);
    const size: unknown = typeof parsed === "object" && parsed !== null ? Reflect.get(parsed, "max_batch_size") : undefined;
    return typeof size === "number" ? size : 0;
  } catch {
    return "malformed";
  }
}
