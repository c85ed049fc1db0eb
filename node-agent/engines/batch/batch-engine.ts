/**
 * A hosted version of a whole model at work: takes requests in, runs the scheduler's batches on free instances, hands answers out
 * and counts. One for each version that a node hosts.
 */
import type { Clock } from "../../../core/clock.ts";
import { POISON_REQUEST, ServingError } from "../../../core/errors.ts";
import type { InferSubmit } from "../../../core/messages/infer.ts";
import type { InferHandle, InferSink } from "../../../core/messages/infer-sink.ts";
import type { Logger } from "../../../core/telemetry/logger.ts";
import type { ModelRunnerFactory, ModelSignature, OpenModel } from "../../../core/wire/model-runner.ts";
import { isCrash } from "../../../core/wire/runner-death.ts";
import { BatchQueue } from "../../scheduling/batch-queue.ts";
import type { ResponseCache } from "../../scheduling/response-cache.ts";
import type { EngineLoad, InferenceEngine } from "../inference-engine.ts";
import { Pump } from "../pump.ts";
import type { ModelStatistics } from "../statistics.ts";
import { AnswerDesk } from "./answer-desk.ts";
import { BatchExecutor } from "./batch-executor.ts";
import { type BatchPlan, checkPlan } from "./batch-plan.ts";
import type { ExecutionGate } from "./execution-gate.ts";
import { type GatedInstances, openGatedInstances } from "./gated-instances.ts";
import type { FormedBatch, HostedRequest } from "./hosted-request.ts";
import type { InstancePasses } from "./instance-passes.ts";
import type { ModelInstance, ModelInstances } from "./model-instances.ts";
import { RequestForms } from "./request-form.ts";
import { RequestIntake } from "./request-intake.ts";

export interface BatchEngineOptions {
  /** For messages. */
  readonly model: string;
  readonly version: string;
  readonly open: OpenModel;
  readonly plan: BatchPlan;
  /** Where answers are kept; undefined: they are not. */
  readonly cache?: ResponseCache | undefined;
}

export interface BatchEngineDeps {
  readonly runners: ModelRunnerFactory;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Where instances wait for counted resources; undefined: resources are not counted. */
  readonly gate?: ExecutionGate | undefined;
  /** A runner died and is started again. */
  readonly onRestart?: () => void;
}

export interface BatchEngineLoad extends EngineLoad {
  readonly instances: number;
  /** Instances whose runner is open. */
  readonly instancesReady: number;
}

/** Runners that may die of a request, the first of them perhaps of another one of its batch. */
const DEATHS_MAX = 2;

export class BatchEngine implements InferenceEngine {
  readonly #options: BatchEngineOptions;
  readonly #clock: Clock;
  readonly #queue: BatchQueue<HostedRequest>;
  readonly #desk: AnswerDesk;
  readonly #intake: RequestIntake;
  readonly #executor: BatchExecutor;
  readonly #passes: InstancePasses;
  readonly #instances: ModelInstances;
  /** Formed, and waiting for an instance that may execute: after a runner's death, or behind the gate. */
  readonly #formed: FormedBatch[] = [];
  readonly #drained = Promise.withResolvers<void>();
  readonly #pump: Pump;
  #running = 0;
  #taking: "requests" | "no more" | "nothing: unloaded" = "requests";

  private constructor(options: BatchEngineOptions, deps: BatchEngineDeps, made: GatedInstances) {
    const { plan, model, version, cache } = options;
    this.#options = options;
    this.#clock = deps.clock;
    this.#instances = made.instances;
    this.#passes = made.passes;
    this.#queue = new BatchQueue(plan);
    const scope = `${model}/${version}/${made.instances.incarnation}`;
    this.#desk = new AnswerDesk({ preserveOrdering: plan.dynamic?.preserveOrdering ?? false, cache, scope }, deps.clock);
    this.#executor = new BatchExecutor(plan, this.#desk, deps.clock);
    this.#pump = new Pump(deps.clock, () => this.#act());
    this.#intake = new RequestIntake({
      clock: deps.clock,
      forms: new RequestForms(model, plan),
      queue: this.#queue,
      desk: this.#desk,
      check: () => this.#check(),
      onQueued: () => this.#pump.soon(),
    });
  }

  /**
   * Opens and warms up every instance.
   * @throws ServingError why the model cannot be served as planned; the signal's reason when that aborts. No runner is left behind.
   */
  static async open(options: BatchEngineOptions, deps: BatchEngineDeps, signal: AbortSignal): Promise<BatchEngine> {
    const { model, plan, open } = options;
    let opened: BatchEngine | undefined;
    const pump = () => {
      if (opened !== undefined) opened.#pump.soon();
    };
    const { rates, instances: count, warmUps } = plan;
    const made = await openGatedInstances(
      { model, open, rates, count, warmUps, check: (signature) => checkPlan(model, plan, signature) },
      { ...deps, onChange: pump, onRestart: deps.onRestart ?? (() => {}) },
      signal,
    );
    opened = new BatchEngine(options, deps, made);
    return opened;
  }

  /** What the model file says. */
  get signature(): ModelSignature {
    return this.#instances.signature;
  }

  statistics(): ModelStatistics {
    return this.#desk.statistics.snapshot();
  }

  load(): BatchEngineLoad {
    const formed = this.#formed.reduce((sum, { requests }) => sum + requests.length, 0);
    const { total, ready, pids } = this.#instances;
    const { count, sinceMs } = this.#queue;
    const load = { queued: count + formed, running: this.#running, instances: total, instancesReady: ready, pids };
    return sinceMs === undefined ? load : { ...load, queuedSinceMs: sinceMs };
  }

  /**
   * Takes a request in; its one answer comes later, never before this returns.
   * @throws ServingError INVALID_ARGUMENT when it does not fit the plan, UNAVAILABLE when the queue is full, the engine drains, or no
   * instance can be had; counted as a failure
   */
  infer(submit: InferSubmit, sink: InferSink): InferHandle {
    const request = this.#intake.take(submit, sink);
    return { cancel: () => this.#cancel(request) };
  }

  /** Takes nothing in any more; resolves when all that was taken in is answered. */
  async drain(): Promise<void> {
    if (this.#taking === "requests") this.#taking = "no more";
    this.#queue.stop();
    this.#pump.now();
    await this.#drained.promise;
  }

  /** Fails what is left, ends the runners; resolves when they are gone. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#taking = "nothing: unloaded";
    this.#queue.stop();
    this.#failWaiting(this.#unloaded());
    this.#pump.stop();
    await this.#instances[Symbol.asyncDispose]();
    this.#passes.close();
    this.#desk.close();
  }

  #check(): void {
    const { trouble } = this.#instances;
    if (trouble !== undefined) throw trouble;
  }

  #cancel(request: HostedRequest): void {
    request.muted = true;
    if (request.over) return;
    const { batch } = request;
    this.#queue.cancel(request);
    this.#desk.canceled(request);
    if (batch?.requests.every(({ over }) => over) === true) batch.abort?.();
    this.#pump.soon(); // what comes next may be another batch now
  }

  /** @returns when to look again at the latest */
  #act(): number | undefined {
    const nowMs = this.#clock.now();
    const trouble = this.#instances.trouble;
    if (trouble !== undefined) this.#failWaiting(trouble);
    const untilMs = this.#formBatches(nowMs);
    this.#runFormed();
    for (const { item, error } of this.#queue.expired(nowMs))
      this.#desk.failed(item, error, error.code === "DEADLINE_EXCEEDED" ? "CANCELED" : "REJECTED");
    if (this.#taking !== "requests" && this.#queue.count === 0 && this.#formed.length === 0 && this.#running === 0) this.#drained.resolve();
    return untilMs;
  }

  /** @returns when to look again at the latest */
  #formBatches(nowMs: number): number | undefined {
    for (;;) {
      const decision = this.#queue.next(Math.max(0, this.#instances.idle.length - this.#formed.length), nowMs);
      if (decision.kind === "idle") return undefined;
      if (decision.kind === "wait") return decision.untilMs;
      const batch: FormedBatch = { requests: decision.batch, deaths: 0, abort: undefined };
      for (const request of batch.requests) request.batch = batch;
      this.#formed.push(batch);
    }
  }

  #runFormed(): void {
    for (const instance of this.#instances.idle) {
      while (this.#formed[0]?.requests.every(({ over }) => over) === true) this.#formed.shift();
      if (this.#formed.length === 0) break;
      if (!this.#passes.admit(instance.number)) continue;
      const batch = this.#formed.shift();
      if (batch !== undefined) this.#run(batch, instance).catch((thrown) => this.#fail(batch, ServingError.from(thrown)));
    }
    if (this.#formed.length === 0) this.#passes.rest();
  }

  async #run(batch: FormedBatch, instance: ModelInstance): Promise<void> {
    const { requests } = batch;
    this.#passes.execute(instance.number);
    this.#running += requests.length;
    const outcome = await this.#executor.run(batch, this.#instances.take(instance));
    this.#running -= requests.length;
    this.#instances.giveBack(instance, outcome === "over" ? "answer" : "death");
    this.#passes.leave(instance.number);
    if (outcome !== "over") this.#afterDeath(batch, outcome.died);
    this.#pump.now();
  }

  #afterDeath(batch: FormedBatch, died: ServingError): void {
    const deaths = batch.deaths + 1;
    if (this.#taking === "nothing: unloaded") this.#fail(batch, this.#unloaded());
    else if (deaths < DEATHS_MAX) this.#formed.unshift(...oneByOne(batch, deaths));
    else {
      const { model, version } = this.#options;
      const message = `model ${model} version ${version}: ${deaths} processes died while they ran this request: ${died.message}`;
      this.#fail(batch, new ServingError("INTERNAL", message, { reason: isCrash(died) ? POISON_REQUEST : "runner_died", cause: died }));
    }
  }

  #unloaded(): ServingError {
    const { model, version } = this.#options;
    return new ServingError("UNAVAILABLE", `model ${model} version ${version} was unloaded; try again`, { reason: "unloaded" });
  }

  #fail({ requests }: FormedBatch, error: ServingError): void {
    for (const request of requests) this.#desk.failed(request, error, "BACKEND");
  }

  #failWaiting(error: ServingError): void {
    for (const request of this.#queue.clear()) this.#desk.failed(request, error, "REJECTED");
    for (const batch of this.#formed.splice(0)) this.#fail(batch, error);
  }
}

/** What a runner died of is one of them: alone, it takes no other with it. */
function oneByOne({ requests }: FormedBatch, deaths: number): readonly FormedBatch[] {
  return requests
    .filter(({ over }) => !over)
    .map((request) => {
      request.batch = { requests: [request], deaths, abort: undefined };
      return request.batch;
    });
}
