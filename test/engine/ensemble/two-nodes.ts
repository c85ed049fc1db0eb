/**
 * Two agents with real runner processes and a gateway's serving core over them, on the memory adapters: the test says which model is
 * hosted where, so that an ensemble calls models on its own node and on the other one.
 */

import path from "node:path";
import { MemoryBroker } from "../../../core/bus/memory.ts";
import { sleep, systemClock } from "../../../core/clock.ts";
import { ServingError } from "../../../core/errors.ts";
import { nodeId } from "../../../core/ids.ts";
import { MemoryLinks } from "../../../core/link/memory.ts";
import type { Control, ControlMessage, LoadModel } from "../../../core/messages/control.ts";
import { encodeJson } from "../../../core/messages/json-message.ts";
import { SUBJECTS } from "../../../core/messages/subjects.ts";
import { systemRandom } from "../../../core/random.ts";
import { ModelSources } from "../../../core/repository/model-sources.ts";
import { MemoryGenerationStore } from "../../../core/store/generations/memory.ts";
import { createMetrics } from "../../../core/telemetry/metrics.ts";
import type { Tensor } from "../../../core/tensor/tensor.ts";
import type { ModelRunnerFactory, ModelRunnerHandle } from "../../../core/wire/model-runner.ts";
import { FleetWatch } from "../../../gateway/control/fleet-watch.ts";
import type { InferRequest, InferResponse } from "../../../gateway/serving/inference.ts";
import type { ModelStatistics } from "../../../gateway/serving/model-catalog.ts";
import { createModelServing, type ModelServing } from "../../../gateway/serving/model-serving.ts";
import { createTextServing } from "../../../gateway/serving/text-serving.ts";
import { Agent } from "../../../node-agent/agent.ts";
import { modelProcesses } from "../../../node-agent/runners/model-process.ts";
import { ModelRepository } from "../../cluster/whole-models/model-repository.ts";
import { Inbox } from "../../support/inbox.ts";
import { ScriptedRunners } from "../../support/scripted/scripted-runners.ts";
import { MemoryCutter } from "../../unit/node-agent/models/memory-cutter.ts";
import { NEVER, QUIET } from "../onnx/model-files.ts";

export type NodeNumber = 1 | 2;

/** Real runners that say when they begin to execute something. */
class WatchedRunners implements ModelRunnerFactory {
  readonly runners: ModelRunnerHandle[] = [];
  /** One for each batch that begins. */
  readonly begun = new Inbox<ModelRunnerHandle>();
  readonly #inner = modelProcesses({ logger: QUIET });

  start(): ModelRunnerHandle {
    const runner = this.#inner.start();
    this.runners.push(runner);
    return {
      get pid() {
        return runner.pid;
      },
      incarnation: runner.incarnation,
      exited: runner.exited,
      open: (model, signal) => runner.open(model, signal),
      execute: (batch, signal) => {
        this.begun.put(runner);
        return runner.execute(batch, signal);
      },
      close: () => runner.close(),
      kill: () => runner.kill(),
    };
  }
}

type ServingDeps = Omit<Parameters<typeof createTextServing>[0], "fleet" | "desired" | "generations">;

export class TwoNodes implements AsyncDisposable {
  readonly repository = new ModelRepository();
  readonly serving: ModelServing;
  readonly #stack = new AsyncDisposableStack();
  readonly #runners: Readonly<Record<NodeNumber, WatchedRunners>> = { 1: new WatchedRunners(), 2: new WatchedRunners() };
  readonly #wanted: { replica: string; model: string; version: string }[] = [];
  /** What ensembles may be composed of. */
  readonly #members: { model: string; source: string; config: string }[] = [];
  readonly #tell: (node: NodeNumber, control: Control) => void;
  readonly #watch: FleetWatch;

  static async start(): Promise<TwoNodes> {
    const broker = new MemoryBroker({ clock: systemClock });
    const links = new MemoryLinks({ clock: systemClock, random: systemRandom });
    const shared = { clock: systemClock, random: systemRandom, logger: QUIET, metrics: createMetrics(), links };
    const made = new TwoNodes({ ...shared, bus: broker.connect() });
    const uploadsFolder = path.join(made.repository.folder, ".uploads");
    const sources = new ModelSources({ repositoryFolders: [made.repository.folder], uploadsFolder, random: systemRandom });
    const languageModels = new ScriptedRunners({ clock: systemClock, openMs: 0, decodeRowsMin: 1, runMs: () => 0 });
    for (const node of [1, 2] as const) {
      const agent = await Agent.start({
        ...shared,
        node: nodeId(`node-${node}`),
        bus: broker.connect(),
        wire: languageModels.openWire(),
        runners: languageModels,
        cutter: new MemoryCutter({}),
        modelRunners: made.#runners[node],
        sources,
        cacheBytes: 1_000_000,
        cpu: "test",
        memory: () => ({ totalBytes: 2 ** 34, freeBytes: 2 ** 33 }),
      });
      made.#stack.use(agent);
    }
    return made;
  }

  private constructor(deps: ServingDeps) {
    const { bus, clock, logger } = deps;
    this.#tell = (node, control) =>
      bus.publish(SUBJECTS.control(nodeId(`node-${node}`)), encodeJson({ fence: 1, control } satisfies ControlMessage));
    this.#watch = this.#stack.use(new FleetWatch(bus, clock, logger));
    const { fleet } = this.#watch;
    const text = this.#stack.use(
      createTextServing({ ...deps, generations: new MemoryGenerationStore(deps.clock), fleet, desired: () => [] }),
    );
    const { models: directory, submitter, inFlight } = text;
    const wanted = () => this.#wanted;
    this.serving = this.#stack.use(createModelServing({ ...deps, fleet, directory, submitter, inFlight, wanted, known: wanted }));
    this.#stack.defer(this.#watch.onChange(() => this.serving.refresh()));
  }

  /** Hosts a version there; resolves when the gateway can use it. @throws ServingError why it cannot be loaded */
  async load(node: NodeNumber, model: string, { version = "1", number = 1 } = {}): Promise<string> {
    const replica = `${model}/${version}/${number}`;
    this.#wanted.push({ replica, model, version });
    const load: LoadModel = { kind: "load-model", replica, model, version, source: "", config: "", members: [...this.#members] };
    this.#tell(node, load);
    if (!this.#members.some((member) => member.model === model)) this.#members.push({ model, source: "", config: "" });
    for (;;) {
      const state = this.serving.hosted().find((one) => one.replica === replica)?.state;
      if (state?.kind === "ready") return replica;
      if (state?.kind === "failed") throw new ServingError("FAILED_PRECONDITION", state.reason);
      await pause();
    }
  }

  /** The command is on its way; the gateway knows, or is to find out. */
  unload(node: NodeNumber, replica: string, options: { readonly gatewayKnows: boolean }): void {
    if (options.gatewayKnows) {
      const place = this.#wanted.findIndex((one) => one.replica === replica);
      if (place !== -1) this.#wanted.splice(place, 1);
      this.serving.refresh();
    }
    this.#tell(node, { kind: "unload", replica });
  }

  /** Kills every process that has a model open there; the agent starts them again. */
  killRunners(node: NodeNumber): void {
    for (const runner of this.#runners[node].runners) if (runner.pid !== undefined) process.kill(runner.pid, "SIGKILL");
  }

  infer(model: string, inputs: readonly Tensor[], fields: Partial<InferRequest> = {}, signal = NEVER): Promise<InferResponse> {
    return this.serving.inference.infer({ ...inferRequest(model, inputs), ...fields }, signal);
  }

  async statistics(model: string): Promise<ModelStatistics> {
    const [only] = await this.serving.statistics.statistics(model, undefined, NEVER);
    if (only === undefined) throw new ServingError("NOT_FOUND", `no statistics of ${model}`);
    return only;
  }

  /** Nothing runs or waits on any node, as their next heartbeats say. */
  async untilIdle(): Promise<void> {
    const { fleet } = this.#watch;
    for (const seen = fleet.revision; fleet.revision < seen + 2 || fleet.models().some(isBusy); ) await pause();
  }

  /** Cancels are told to nobody: asks until so many requests of the model have failed. */
  async untilFailed(model: string, count: bigint): Promise<void> {
    while ((await this.statistics(model)).durations.fail.count < count) await pause();
  }

  /** Resolves when the next batch begins to be executed there. */
  async untilBusy(node: NodeNumber): Promise<void> {
    const { begun } = this.#runners[node];
    await begun.until(begun.items.length + 1);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
    this.repository[Symbol.dispose]();
  }
}

const isBusy = ({ inFlight, queued }: { readonly inFlight: number; readonly queued: number }): boolean => inFlight + queued > 0;
const pause = () => sleep(systemClock, 10, NEVER);

/** As a client's that asks for nothing special. */
export const inferRequest = (model: string, inputs: readonly Tensor[]): InferRequest => ({
  model,
  version: undefined,
  id: "",
  tenant: "public",
  parameters: new Map(),
  priority: 0,
  timeoutUs: 0,
  inputs,
  outputs: [],
  deadlineMs: undefined,
  traceparent: "",
});

export const floats = (name: string, shape: readonly number[], values: readonly number[]): Tensor => ({
  name,
  dtype: "FP32",
  shape,
  data: new Uint8Array(Float32Array.from(values).buffer),
});

export const valuesOf = (response: InferResponse, name: string): readonly number[] => {
  const data = response.outputs.find((output) => output.name === name)?.data ?? new Uint8Array(0);
  return [...new Float32Array(new Uint8Array(data).buffer)];
};
