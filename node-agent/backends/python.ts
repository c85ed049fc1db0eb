/**
 * Models in Python, as Triton's Python backend has them: each instance is a process of its own (`node-agent/runners/python`), started
 * again when it dies.
 */
import path from "node:path";
import { type Clock, sleep } from "../../core/clock.ts";
import { ServingError } from "../../core/errors.ts";
import type { PythonOpen } from "../../core/messages/python-runner.ts";
import type { ModelConfiguration } from "../../core/model/config/configuration.ts";
import type { Logger } from "../../core/telemetry/logger.ts";
import { isDeath } from "../../core/wire/runner-death.ts";
import type { ModelCalls, ModelControls } from "../calls/model-calls.ts";
import type { WarmUp } from "../engines/batch/batch-plan.ts";
import type { CustomMetrics } from "../models/custom-metrics.ts";
import { restartDelayMs } from "../models/shard-state.ts";
import { PythonProcess } from "../runners/python-process.ts";
import type { Backend, BackendInstance, BackendModel, BackendRequest } from "./backend.ts";
import { PythonCalls } from "./python-calls.ts";
import { PythonRequests } from "./python-requests.ts";
import { warm } from "./python-warm-up.ts";

export interface PythonBackendDeps {
  /** A path, or a name on the PATH; `python3` unless said. */
  readonly python?: string | undefined;
  readonly clock: Clock;
  readonly logger: Logger;
  /** How models call others. */
  readonly calls: ModelCalls & ModelControls;
  /** What models measure themselves. */
  readonly custom: CustomMetrics;
  /** A process died and is started again. */
  readonly onRestart: () => void;
}

export const PYTHON = "python3";
const OWN_ENVIRONMENT = "EXECUTION_ENV_PATH";
/** A process that has lived this long has no deaths in a row. */
const STEADY_MS = 30_000;
/** After so many failures in a row requests are told instead of kept waiting. */
const TRIES_IN_SILENCE = 3;

export function pythonBackend(deps: PythonBackendDeps): Backend {
  return {
    async open(model, number, signal) {
      const instance = new PythonInstance(pythonOpen(model, instanceName(model.configuration, number)), model.warmUps, deps);
      await instance.start(signal);
      return instance;
    },
  };
}

export interface PythonModel extends Pick<BackendModel, "configJson" | "version" | "file"> {
  readonly configuration: Pick<ModelConfiguration, "name" | "parameters">;
}

/** What a model's process is told. @throws ServingError INVALID_ARGUMENT when it asks for an environment of its own */
export function pythonOpen({ configuration, configJson, version, file }: PythonModel, instance: string): PythonOpen {
  if (configuration.parameters.has(OWN_ENVIRONMENT)) {
    const message = `model '${configuration.name}' asks for ${OWN_ENVIRONMENT}, which is not unpacked here: unpack it, and name its interpreter with --python`;
    throw new ServingError("INVALID_ARGUMENT", message);
  }
  const args = {
    model_config: configJson,
    model_instance_kind: "CPU",
    model_instance_name: instance,
    model_instance_device_id: "0",
    model_repository: path.dirname(path.dirname(path.resolve(file))),
    model_version: version,
    model_name: configuration.name,
  };
  return { file: path.resolve(file), instance, complete: false, args };
}

/** As Triton names the instances of a group: `add_sub_0_1`. */
export function instanceName({ instanceGroups, name }: ModelConfiguration, number: number): string {
  let first = 0;
  for (const group of instanceGroups.filter(({ passive }) => !passive)) {
    if (number < first + group.count) return `${group.name}_${number - first}`;
    first += group.count;
  }
  return `${name}_0_${number}`;
}

class PythonInstance implements BackendInstance {
  readonly #open: PythonOpen;
  readonly #warmUps: readonly WarmUp[];
  readonly #deps: PythonBackendDeps;
  readonly #stop = new AbortController();
  readonly #requests = new PythonRequests();
  readonly #calls: PythonCalls;
  #process: PythonProcess | undefined;
  /** Resolves when there is a process again. */
  #up = gate();
  #keeper: Promise<void> = Promise.resolve();

  constructor(open: PythonOpen, warmUps: readonly WarmUp[], deps: PythonBackendDeps) {
    this.#open = open;
    this.#warmUps = warmUps;
    this.#deps = deps;
    this.#calls = new PythonCalls(deps.calls, (key) => this.#requests.callerOf(key));
  }

  get pid(): number | undefined {
    return this.#process?.pid;
  }

  /** @throws ServingError what the model raised, or why it has no process; the signal's reason */
  async start(signal: AbortSignal): Promise<void> {
    this.#keeper = this.#keepUp(await this.#started(signal));
  }

  async execute(requests: readonly BackendRequest[]): Promise<void> {
    if (this.#process === undefined) await this.#up.promise;
    const process = this.#process;
    if (process === undefined) throw this.#unhealthy();
    try {
      await process.execute(this.#requests.begin(requests, process));
    } catch (thrown) {
      if (!isDeath(ServingError.from(thrown))) throw thrown;
      this.#down();
      await this.#up.promise.catch(() => {}); // whoever comes next is told
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(new ServingError("CANCELLED", "the model is being unloaded"));
    this.#up.reject(this.#unhealthy());
    await this.#process?.close();
    await this.#keeper;
  }

  async #keepUp(first: PythonProcess): Promise<void> {
    const { signal } = this.#stop;
    const { clock, logger, onRestart } = this.#deps;
    let process: PythonProcess | undefined = first;
    for (let deaths = 0; !signal.aborted; ) {
      const bornAtMs = clock.now();
      let why = this.#unhealthy();
      try {
        this.#process = process ?? (await this.#started(signal));
        this.#up.resolve();
        await this.#process.exited;
      } catch (thrown) {
        why = ServingError.from(thrown);
      }
      this.#down();
      process = undefined;
      if (signal.aborted) return;
      deaths = clock.now() - bornAtMs > STEADY_MS ? 1 : deaths + 1;
      logger.error({ err: why, instance: this.#open.instance, deaths }, "a Python model's process died and is started again");
      onRestart();
      if (deaths >= TRIES_IN_SILENCE) this.#up.reject(why);
      await sleep(clock, restartDelayMs(deaths), signal).catch(() => {}); // the loop's condition sees the end
    }
  }

  /** @throws ServingError why it does not run; then it is gone */
  async #started(signal: AbortSignal): Promise<PythonProcess> {
    const process: PythonProcess = new PythonProcess(
      { ...this.#deps, python: this.#deps.python ?? PYTHON },
      {
        answered: (key, response, final, parameters) => this.#requests.answered(key, response, final, parameters),
        called: (number, call, inputs) => this.#calls.begin(number, call, inputs, process),
        controlled: (number, request) => this.#calls.control(number, request, process),
        callCanceled: (number) => this.#calls.cancel(number),
        measured: (changes) => this.#deps.custom.change(changes),
      },
    );
    try {
      await process.open(this.#open, signal);
      for (const warmUp of this.#warmUps) await warm(warmUp, (requests) => process.execute(this.#requests.begin(requests, process)));
      return process;
    } catch (thrown) {
      await process.close();
      this.#requests.failAll(this.#unhealthy());
      throw thrown;
    }
  }

  /** The process is gone, and what it had not answered. */
  #down(): void {
    if (this.#process === undefined) return;
    this.#process = undefined;
    this.#up = gate();
    this.#calls.cancelAll();
    this.#requests.failAll(this.#unhealthy());
  }

  #unhealthy(): ServingError {
    return new ServingError("INTERNAL", `Stub process '${this.#open.instance}' is not healthy.`, { reason: "runner_died" });
  }
}

/** Nobody may be waiting when it is rejected. */
function gate(): PromiseWithResolvers<void> {
  const made = Promise.withResolvers<void>();
  made.promise.catch(() => {});
  return made;
}
