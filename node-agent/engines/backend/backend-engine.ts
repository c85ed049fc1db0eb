/**
 * A hosted version of a model that a backend runs (`node-agent/backends`): takes requests in, gives the scheduler's batches to free
 * instances, and answers through senders, a decoupled model any number of times. An instance is free again when it says so, which may
 * be before its requests have ended.
 */
import type { Clock } from "../../../core/clock.ts";
import { ServingError } from "../../../core/errors.ts";
import type { Upcalls } from "../../../core/messages/calling-request.ts";
import type { InferSubmit } from "../../../core/messages/infer.ts";
import type { InferHandle, InferSink } from "../../../core/messages/infer-sink.ts";
import type { Backend, BackendInstance, BackendModel, BackendRequest } from "../../backends/backend.ts";
import { BatchQueue } from "../../scheduling/batch-queue.ts";
import type { ResponseCache } from "../../scheduling/response-cache.ts";
import { answersOften } from "../answers-often.ts";
import { AnswerDesk } from "../batch/answer-desk.ts";
import type { BatchPlan } from "../batch/batch-plan.ts";
import type { ExecutionGate } from "../batch/execution-gate.ts";
import type { HostedRequest } from "../batch/hosted-request.ts";
import { InstancePasses } from "../batch/instance-passes.ts";
import { RequestForms } from "../batch/request-form.ts";
import { RequestIntake } from "../batch/request-intake.ts";
import type { EngineLoad, InferenceEngine } from "../inference-engine.ts";
import { Pump } from "../pump.ts";
import type { ModelStatistics } from "../statistics.ts";
import { RequestSender, type SenderDeps } from "./request-sender.ts";
import { givenTensors, visibleTensors } from "./reshaped-tensors.ts";

export interface BackendEngineOptions {
  readonly backend: Backend;
  readonly model: BackendModel;
  readonly plan: Omit<BatchPlan, "warmUps">;
  /** Where answers are kept; undefined: they are not. */
  readonly cache?: ResponseCache | undefined;
  /** The hosted version, another one for each load of it. */
  readonly scope: string;
}

export interface BackendEngineDeps {
  readonly clock: Clock;
  /** Where instances wait for counted resources; undefined: resources are not counted. */
  readonly gate?: ExecutionGate | undefined;
}

interface Instance {
  readonly number: number;
  readonly opened: BackendInstance;
  isBusy: boolean;
}

export class BackendEngine implements InferenceEngine {
  readonly #options: BackendEngineOptions;
  readonly #clock: Clock;
  readonly #queue: BatchQueue<HostedRequest>;
  readonly #desk: AnswerDesk;
  readonly #intake: RequestIntake;
  readonly #passes: InstancePasses;
  readonly #instances: readonly Instance[];
  readonly #pump: Pump;
  readonly #allOutputs: readonly string[];
  readonly #senderDeps: Omit<SenderDeps, "onOver">;
  /** Batches that wait for an instance that may execute. */
  readonly #formed: (readonly HostedRequest[])[] = [];
  /** Requests that an instance has been given, and that have not ended. */
  readonly #running = new Map<HostedRequest, RequestSender>();
  readonly #drained = Promise.withResolvers<void>();
  #taking: "requests" | "no more" = "requests";

  private constructor(options: BackendEngineOptions, deps: BackendEngineDeps, opened: readonly BackendInstance[]) {
    const { plan, model, cache, scope } = options;
    const { name, decoupled } = model.configuration;
    this.#options = options;
    this.#clock = deps.clock;
    this.#queue = new BatchQueue(plan);
    this.#instances = opened.map((instance, number) => ({ number, opened: instance, isBusy: false }));
    this.#pump = new Pump(deps.clock, () => this.#act());
    this.#passes = new InstancePasses(deps.gate, { rates: plan.rates, instances: opened.length, onGranted: () => this.#pump.soon() });
    // Answers of decoupled models go out as they come, whoever asked first.
    const preserveOrdering = !decoupled && plan.dynamic?.preserveOrdering === true;
    this.#desk = new AnswerDesk({ preserveOrdering, cache, scope }, deps.clock);
    this.#allOutputs = plan.outputs.map(({ name: output }) => output);
    this.#senderDeps = { desk: this.#desk, clock: deps.clock, decoupled, visible: (outputs) => visibleTensors(outputs, plan) };
    this.#intake = new RequestIntake({
      clock: deps.clock,
      forms: new RequestForms(name, plan),
      queue: this.#queue,
      desk: this.#desk,
      check: (sink) => this.#check(sink),
      onQueued: () => this.#pump.soon(),
    });
  }

  /** @throws ServingError why the model cannot be served; the signal's reason when that aborts. Nothing is left behind. */
  static async open(options: BackendEngineOptions, deps: BackendEngineDeps, signal: AbortSignal): Promise<BackendEngine> {
    await using opening = new AsyncDisposableStack();
    const opened: BackendInstance[] = [];
    for (let number = 0; number < options.plan.instances; number++)
      opened.push(opening.use(await options.backend.open(options.model, number, signal)));
    const engine = new BackendEngine(options, deps, opened);
    opening.move();
    return engine;
  }

  infer(submit: InferSubmit, sink: InferSink, upcalls?: Upcalls): InferHandle {
    const request = this.#intake.take(submit, sink);
    request.upcalls = upcalls;
    return { cancel: () => this.#cancel(request), resume: () => this.#running.get(request)?.resume() };
  }

  load(): EngineLoad {
    const formed = this.#formed.reduce((sum, requests) => sum + requests.length, 0);
    const { count, sinceMs } = this.#queue;
    const pids = this.#instances.flatMap(({ opened }) => opened.pid ?? []);
    return { queued: count + formed, running: this.#running.size, pids, ...(sinceMs !== undefined && { queuedSinceMs: sinceMs }) };
  }

  statistics(): ModelStatistics {
    return this.#desk.statistics.snapshot();
  }

  async drain(): Promise<void> {
    this.#taking = "no more";
    this.#queue.stop();
    this.#pump.now();
    await this.#drained.promise;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#taking = "no more";
    this.#queue.stop();
    this.#pump.stop();
    for (const request of [...this.#queue.clear(), ...this.#formed.splice(0).flat()])
      this.#desk.failed(request, this.#unloaded(), "REJECTED");
    for (const sender of [...this.#running.values()]) sender.giveUp(this.#unloaded());
    this.#drained.resolve();
    this.#passes.close();
    this.#desk.close();
    await Promise.all(this.#instances.map(({ opened }) => opened[Symbol.asyncDispose]()));
  }

  #check(sink: InferSink): void {
    if (this.#taking !== "requests") throw this.#unloaded();
    if (this.#senderDeps.decoupled && sink.respond === undefined) throw answersOften(this.#options.model.configuration.name);
  }

  #cancel(request: HostedRequest): void {
    request.muted = true;
    if (request.over) return;
    const sender = this.#running.get(request);
    if (sender !== undefined) {
      sender.cancel();
      return;
    }
    this.#queue.cancel(request);
    this.#desk.canceled(request);
    this.#pump.soon(); // what comes next may be another batch now
  }

  /** @returns when to look again at the latest */
  #act(): number | undefined {
    const nowMs = this.#clock.now();
    const untilMs = this.#formBatches(nowMs);
    this.#runFormed();
    for (const { item, error } of this.#queue.expired(nowMs))
      this.#desk.failed(item, error, error.code === "DEADLINE_EXCEEDED" ? "CANCELED" : "REJECTED");
    this.#drainedNow();
    return untilMs;
  }

  /** @returns when to look again at the latest */
  #formBatches(nowMs: number): number | undefined {
    for (;;) {
      const idle = this.#instances.reduce((sum, { isBusy }) => sum + (isBusy ? 0 : 1), 0);
      const decision = this.#queue.next(Math.max(0, idle - this.#formed.length), nowMs);
      if (decision.kind === "idle") return undefined;
      if (decision.kind === "wait") return decision.untilMs;
      this.#formed.push(decision.batch);
    }
  }

  #runFormed(): void {
    for (const instance of this.#instances) {
      while (this.#formed[0]?.every(({ over }) => over) === true) this.#formed.shift();
      if (this.#formed.length === 0) break;
      if (instance.isBusy || !this.#passes.admit(instance.number)) continue;
      const batch = this.#formed.shift() ?? [];
      void this.#run(
        batch.filter(({ over }) => !over),
        instance,
      );
    }
    if (this.#formed.length === 0) this.#passes.rest();
  }

  /** Never rejects. */
  async #run(batch: readonly HostedRequest[], instance: Instance): Promise<void> {
    instance.isBusy = true;
    this.#passes.execute(instance.number);
    const startedMs = this.#clock.now();
    const senders = batch.map((request) => this.#sender(request));
    try {
      await instance.opened.execute(senders.map((sender) => this.#request(sender)));
      const compute = { computeInputUs: 0, computeInferUs: (this.#clock.now() - startedMs) * 1000, computeOutputUs: 0 };
      const size = batch.reduce((sum, request) => sum + request.size, 0);
      this.#desk.statistics.executed(size, compute, this.#clock.wallClockMs());
    } catch (thrown) {
      for (const sender of senders) sender.giveUp(ServingError.from(thrown));
    }
    instance.isBusy = false;
    this.#passes.leave(instance.number);
    this.#pump.now();
  }

  #sender(request: HostedRequest): RequestSender {
    const onOver = () => {
      this.#running.delete(request);
      this.#drainedNow();
    };
    const sender = new RequestSender(request, { ...this.#senderDeps, onOver });
    this.#running.set(request, sender);
    return sender;
  }

  #request(sender: RequestSender): BackendRequest {
    const { submit, deadlineMs, upcalls } = sender.request;
    const { id, parameters, outputs, queueTimeoutUs: timeoutUs } = submit;
    const inputs = givenTensors(submit.inputs, this.#options.plan);
    const wanted = outputs.length === 0 ? this.#allOutputs : outputs;
    return { id, parameters, inputs, outputs: wanted, timeoutUs, from: { submit, deadlineMs, upcalls }, sender };
  }

  #drainedNow(): void {
    const isIdle = this.#queue.count === 0 && this.#formed.length === 0 && this.#running.size === 0;
    if (this.#taking !== "requests" && isIdle) this.#drained.resolve();
  }

  #unloaded(): ServingError {
    const { configuration, version } = this.#options.model;
    return new ServingError("UNAVAILABLE", `model ${configuration.name} version ${version} was unloaded; try again`, {
      reason: "unloaded",
    });
  }
}
