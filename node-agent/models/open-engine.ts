/** Opens the engine that a model's configuration asks for. */
import type { Clock } from "../../core/clock.ts";
import type { EnsembleScheduling, ModelConfiguration, SequenceBatching } from "../../core/model/config/configuration.ts";
import type { ComposingModel } from "../../core/model/config/ensemble-models.ts";
import { PYTHON_BACKEND } from "../../core/model/config/served-backends.ts";
import type { ModelFiles } from "../../core/repository/repository.ts";
import type { Logger } from "../../core/telemetry/logger.ts";
import type { ModelRunnerFactory } from "../../core/wire/model-runner.ts";
import type { Backend } from "../backends/backend.ts";
import { builtInBackend } from "../backends/built-in-backends.ts";
import { instanceName, PYTHON, pythonBackend, pythonOpen } from "../backends/python.ts";
import type { ModelCalls, ModelControls } from "../calls/model-calls.ts";
import { BackendEngine } from "../engines/backend/backend-engine.ts";
import { BatchEngine } from "../engines/batch/batch-engine.ts";
import type { ExecutionGate } from "../engines/batch/execution-gate.ts";
import { EnsembleEngine } from "../engines/ensemble/ensemble-engine.ts";
import { ensemblePlan } from "../engines/ensemble/ensemble-plan.ts";
import type { InferenceEngine } from "../engines/inference-engine.ts";
import { SequenceEngine } from "../engines/sequence/sequence-engine.ts";
import { pythonRunners } from "../runners/python-runner.ts";
import type { ResponseCache } from "../scheduling/response-cache.ts";
import type { CustomMetrics } from "./custom-metrics.ts";
import { enginePlan, unserved } from "./engine-plan.ts";
import { onnxSessionOptions } from "./onnx-config-session.ts";
import { pythonSignature } from "./python-signature.ts";
import { type SequenceKeeping, sequenceLogs } from "./sequence-keeping.ts";
import { sequencePlan } from "./sequence-plan.ts";
import { warmUpBatches } from "./warm-up-batches.ts";

/** A version of a model that is to be served. */
export interface ModelToOpen {
  readonly model: string;
  readonly version: string;
  readonly configuration: ModelConfiguration;
  /** The model's folder. */
  readonly files: ModelFiles;
  /** The same as clients are told it. */
  readonly configJson: string;
  /** Path of the version's model file; empty for an ensemble. */
  readonly file: string;
  /** Of an ensemble: its models by name. */
  readonly composing: ReadonlyMap<string, ComposingModel>;
  /** Another one for each load. */
  readonly replica: string;
}

export interface EngineDeps {
  readonly runners: ModelRunnerFactory;
  /** What runs Python models: a path, or a name on the PATH; `python3` unless said. */
  readonly python?: string | undefined;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Shared by the node's models; undefined: answers are not kept. */
  readonly cache: ResponseCache | undefined;
  /** Nothing runs before so many requests wait (TRITONSERVER_DELAY_SCHEDULER); 0: at once. */
  readonly startAfter: number;
  /** The same for sequences that wait for a place (TRITONSERVER_BACKLOG_DELAY_SCHEDULER). */
  readonly backlogAfter?: number;
  /** Where instances wait for counted resources; undefined: resources are not counted. */
  readonly gate?: ExecutionGate | undefined;
  /** Where sequences are kept for other nodes; undefined: nowhere. */
  readonly sequences?: SequenceKeeping | undefined;
  /** How ensembles and programs call models. */
  readonly calls: ModelCalls & ModelControls;
  /** What the model measures itself. */
  readonly custom: CustomMetrics;
  /** A runner died and is started again. */
  readonly onRestart: () => void;
}

/**
 * Ready for requests: every instance is open and warm.
 * @throws ServingError why the model cannot be served as configured; the signal's reason when that aborts. No runner is left behind.
 */
export async function openEngine(opened: ModelToOpen, deps: EngineDeps, signal: AbortSignal): Promise<InferenceEngine> {
  const { scheduler } = opened.configuration;
  switch (scheduler.kind) {
    case "default":
    case "dynamic":
      return await openBatchEngine(opened, deps, signal);
    case "ensemble":
      return openEnsemble(opened, scheduler, deps);
    case "sequence":
      return await openSequenceEngine(opened, scheduler, deps, signal);
  }
}

function openEnsemble(
  { replica, configuration, composing }: ModelToOpen,
  scheduling: EnsembleScheduling,
  deps: EngineDeps,
): InferenceEngine {
  const plan = ensemblePlan(configuration, scheduling, composing);
  return new EnsembleEngine({ plan, cache: configuration.responseCache ? deps.cache : undefined, scope: replica }, deps);
}

async function openBatchEngine(opened: ModelToOpen, deps: EngineDeps, signal: AbortSignal): Promise<InferenceEngine> {
  const { model, version, configuration, files, file } = opened;
  const { runners, clock, logger, cache, startAfter, gate, onRestart } = deps;
  const backend = configuration.backend === PYTHON_BACKEND ? pythonBackend(deps) : builtInBackend(configuration.backend, deps);
  if (backend !== undefined) return await openBackendEngine(backend, opened, deps, signal);
  const unheated = enginePlan(configuration, { startAfter });
  const plan = { ...unheated, warmUps: await warmUpBatches(configuration, unheated, files) };
  return await BatchEngine.open(
    { model, version, open: { ...onnxSessionOptions(configuration), file }, plan, cache: configuration.responseCache ? cache : undefined },
    { runners, clock, logger, gate, onRestart },
    signal,
  );
}

async function openBackendEngine(
  backend: Backend,
  { configuration, configJson, version, replica, files, file }: ModelToOpen,
  { clock, gate, cache, startAfter }: EngineDeps,
  signal: AbortSignal,
): Promise<InferenceEngine> {
  const plan = enginePlan(configuration, { startAfter });
  const warmUps = await warmUpBatches(configuration, plan, files);
  const kept = configuration.responseCache ? cache : undefined;
  const options = { backend, model: { configuration, configJson, version, file, warmUps }, plan, cache: kept, scope: replica };
  return await BackendEngine.open(options, { clock, gate }, signal);
}

async function openSequenceEngine(
  opened: ModelToOpen,
  scheduling: SequenceBatching,
  deps: EngineDeps,
  signal: AbortSignal,
): Promise<InferenceEngine> {
  const { model, version, configuration, files, file, replica } = opened;
  const runners = configuration.backend === PYTHON_BACKEND ? pythonRows(opened, scheduling, deps) : deps.runners;
  const { clock, logger, startAfter, backlogAfter = 0, gate, onRestart, sequences } = deps;
  const logs = sequenceLogs(configuration, sequences, replica);
  const plan = await sequencePlan(configuration, { startAfter, backlogAfter }, files);
  return await SequenceEngine.open(
    { model, version, open: { ...onnxSessionOptions(configuration), file }, plan, logs },
    { runners, clock, logger, gate, onRestart },
    signal,
  );
}

function pythonRows(
  opened: ModelToOpen,
  scheduling: SequenceBatching,
  { python = PYTHON, clock, logger, custom, calls }: EngineDeps,
): ModelRunnerFactory {
  const { model, configuration } = opened;
  if (configuration.decoupled) throw unserved(model, "sequences of a decoupled Python model");
  return pythonRunners({
    python,
    clock,
    logger,
    open: (instance) => pythonOpen(opened, instanceName(configuration, instance)),
    signature: pythonSignature(configuration, scheduling),
    maxBatchSize: configuration.maxBatchSize,
    calls,
    measured: (changes) => custom.change(changes),
  });
}
