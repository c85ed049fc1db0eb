/** A batch engine over scripted runners on a clock that the test moves; requests are named by their answers. */
import { expect } from "vitest";
import type { ServingError } from "../../../../../core/errors.ts";
import type { InferSubmit, InferTimes } from "../../../../../core/messages/infer.ts";
import type { InferHandle, InferSink } from "../../../../../core/messages/infer-sink.ts";
import type { Logger } from "../../../../../core/telemetry/logger.ts";
import type { Tensor } from "../../../../../core/tensor/tensor.ts";
import type { ModelSignature, OpenModel } from "../../../../../core/wire/model-runner.ts";
import { BatchEngine, type BatchEngineDeps } from "../../../../../node-agent/engines/batch/batch-engine.ts";
import type { BatchPlan } from "../../../../../node-agent/engines/batch/batch-plan.ts";
import { DYNAMIC_BATCHING, type DynamicBatching } from "../../../../../node-agent/scheduling/batch-options.ts";
import type { ResponseCache } from "../../../../../node-agent/scheduling/response-cache.ts";
import { FakeClock, turns } from "../../../../support/fake-clock.ts";
import { type ScriptedModelOptions, ScriptedModelRunners } from "../../../../support/scripted/scripted-model-runner.ts";

export const NEVER = new AbortController().signal;
export const QUIET: Logger = { debug() {}, info() {}, warn() {}, error() {}, child: () => QUIET };

export const OPEN: OpenModel = {
  file: "/scripted/model.onnx",
  intraThreads: 1,
  interThreads: 1,
  optimization: 99,
  execution: "sequential",
  memoryArena: true,
  memoryPattern: true,
  configEntries: {},
};

/** Gives INT32 x [-1, n] back as y, for any n. */
export const SIGNATURE: ModelSignature = {
  inputs: [{ name: "x", dtype: "INT32", shape: [-1, -1], optional: false }],
  outputs: [{ name: "y", dtype: "INT32", shape: [-1, -1], optional: false }],
};

const port = (name: string) => ({ name, dims: [-1], reshape: undefined });

export const dynamic = (fields: Partial<DynamicBatching> = {}): DynamicBatching => ({ ...DYNAMIC_BATCHING, ...fields });

export function planOf(fields: Partial<BatchPlan> = {}): BatchPlan {
  return {
    maxBatchSize: 8,
    dynamic: dynamic(),
    instances: 1,
    inputs: [{ ...port("x"), optional: false, ragged: false }],
    outputs: [{ ...port("y"), shapedLike: undefined }],
    batchInputs: [],
    warmUps: [],
    rates: [],
    ...fields,
  };
}

export const ints = (name: string, shape: readonly number[], values: readonly number[]): Tensor => ({
  name,
  dtype: "INT32",
  shape,
  data: new Uint8Array(Int32Array.from(values).buffer),
});

export const valuesOf = ({ data }: Tensor): readonly number[] => [...new Int32Array(new Uint8Array(data).buffer)];

/** A request of one row for each value. */
export function request(values: readonly number[], fields: Partial<InferSubmit> = {}): InferSubmit {
  return {
    kind: "infer",
    replica: "m/1/0",
    tenant: "",
    id: "",
    remainingMs: undefined,
    traceparent: "",
    priority: 0,
    queueTimeoutUs: 0,
    parameters: new Map(),
    inputs: [ints("x", [values.length, 1], values)],
    outputs: [],
    ...fields,
  };
}

/** What came of a request: nothing yet, its outputs, or its failure; a second answer fails the test. */
export class Outcome implements InferSink {
  outputs: readonly Tensor[] | undefined;
  times: InferTimes | undefined;
  error: ServingError | undefined;
  readonly #world: { readonly order: Outcome[] };

  constructor(world: { readonly order: Outcome[] }) {
    this.#world = world;
  }

  get values(): readonly number[] | undefined {
    return this.outputs?.flatMap(valuesOf);
  }

  get over(): boolean {
    return this.outputs !== undefined || this.error !== undefined;
  }

  answered(outputs: readonly Tensor[], times: InferTimes): void {
    this.#once();
    this.outputs = outputs;
    this.times = times;
  }

  failed(error: ServingError): void {
    this.#once();
    this.error = error;
  }

  #once(): void {
    expect(this.over, "a request is answered once").toBe(false);
    this.#world.order.push(this);
  }
}

export interface Sent extends Outcome {
  cancel(): void;
}

export interface WorldOptions extends Partial<BatchPlan> {
  readonly script?: Partial<ScriptedModelOptions>;
  readonly cache?: ResponseCache;
  readonly deps?: Partial<BatchEngineDeps>;
}

export class BatchWorld {
  readonly clock = new FakeClock();
  readonly runners: ScriptedModelRunners;
  readonly plan: BatchPlan;
  /** Outcomes in the order in which answers came. */
  readonly order: Outcome[] = [];
  engine: BatchEngine;

  private constructor(runners: ScriptedModelRunners, plan: BatchPlan, engine: BatchEngine, clock: FakeClock) {
    this.runners = runners;
    this.plan = plan;
    this.engine = engine;
    this.clock = clock;
  }

  static async open({ script, cache, deps, ...fields }: WorldOptions = {}): Promise<BatchWorld> {
    const clock = new FakeClock();
    const runners = new ScriptedModelRunners({ clock, signature: SIGNATURE, runMs: () => 10, ...script });
    const plan = planOf(fields);
    const opening = BatchEngine.open(
      { model: "m", version: "1", open: OPEN, plan, cache },
      { runners, clock, logger: QUIET, ...deps },
      NEVER,
    );
    opening.catch(() => {});
    await clock.pass(1_000);
    return new BatchWorld(runners, plan, await opening, clock);
  }

  /** @throws what the engine refuses it with */
  send(submit: InferSubmit): Sent {
    const outcome = new Outcome(this);
    let inside = true;
    const never = () => expect(inside, "an answer comes after infer has returned").toBe(false);
    const sink: InferSink = {
      answered: (outputs, times) => {
        never();
        outcome.answered(outputs, times);
      },
      failed: (error) => {
        never();
        outcome.failed(error);
      },
    };
    const handle: InferHandle = this.engine.infer(submit, sink);
    inside = false;
    return Object.assign(outcome, { cancel: () => handle.cancel() });
  }

  async close(): Promise<void> {
    const closing = this.engine[Symbol.asyncDispose]();
    await this.pass(100);
    await closing;
  }

  /** Another load of the same model, on the same node. */
  async reload(cache: ResponseCache): Promise<void> {
    const deps = { runners: this.runners, clock: this.clock, logger: QUIET };
    const opening = BatchEngine.open({ model: "m", version: "1", open: OPEN, plan: this.plan, cache }, deps, NEVER);
    await this.pass(10);
    this.engine = await opening;
  }

  /** Time passes, and what happens meanwhile happens. */
  async pass(ms: number): Promise<void> {
    await this.clock.pass(ms);
    await turns();
  }
}
