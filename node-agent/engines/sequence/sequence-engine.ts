/**
 * A hosted version of a stateful model at work: Triton's sequence batcher with implicit state. Takes steps in, runs them in their
 * sequence's order, each with the state that the one before left, and keeps states where other nodes find them.
 */
import type { Clock } from "../../../core/clock.ts";
import { ServingError } from "../../../core/errors.ts";
import type { InferSubmit } from "../../../core/messages/infer.ts";
import type { Logger } from "../../../core/telemetry/logger.ts";
import type { ModelRunnerFactory, OpenModel } from "../../../core/wire/model-runner.ts";
import { SequenceScheduler } from "../../scheduling/sequence-scheduler.ts";
import { AnswerDesk } from "../batch/answer-desk.ts";
import { checkPlan } from "../batch/batch-plan.ts";
import { type ModelInstance, ModelInstances } from "../batch/model-instances.ts";
import type { EngineLoad, InferenceEngine, InferHandle, InferSink } from "../inference-engine.ts";
import { Pump } from "../pump.ts";
import type { ModelStatistics } from "../statistics.ts";
import { EndedSteps } from "./ended-steps.ts";
import { type RowResult, SequenceExecutor, type SequenceOutcome } from "./sequence-executor.ts";
import { SequenceLog, type SequenceLogs } from "./sequence-log.ts";
import { kept, type SequenceMemory } from "./sequence-memory.ts";
import type { SequencePlan } from "./sequence-plan.ts";
import type { HostedSequence, SequenceStep } from "./sequence-step.ts";
import { SequenceTakeovers } from "./sequence-takeovers.ts";
import { StepIntake } from "./step-intake.ts";

export interface SequenceEngineOptions {
  /** For messages. */
  readonly model: string;
  readonly version: string;
  readonly open: OpenModel;
  readonly plan: SequencePlan;
  /** Where sequences are kept for other nodes; undefined: nowhere. */
  readonly logs: SequenceLogs | undefined;
}

export interface SequenceEngineDeps {
  readonly runners: ModelRunnerFactory;
  readonly clock: Clock;
  readonly logger: Logger;
  /** A runner died and is started again. */
  readonly onRestart: () => void;
}

type Rows = readonly (SequenceStep | undefined)[];

/** A batch whose runner died, to be run again by the same instance. */
interface AgainRows {
  readonly rows: Rows;
  readonly deaths: number;
}

/** Runners that may die of a batch before its steps fail. */
const DEATHS_MAX = 2;

export class SequenceEngine implements InferenceEngine {
  readonly #options: SequenceEngineOptions;
  readonly #clock: Clock;
  readonly #intake: StepIntake;
  readonly #scheduler: SequenceScheduler<SequenceStep, SequenceMemory>;
  readonly #takeovers: SequenceTakeovers;
  readonly #desk: AnswerDesk;
  readonly #executor: SequenceExecutor;
  readonly #instances: ModelInstances;
  readonly #ended = new EndedSteps();
  /** By instance. */
  readonly #again = new Map<number, AgainRows>();
  readonly #drained = Promise.withResolvers<void>();
  readonly #pump: Pump;
  /** Steps whose batch runs, or that are being kept. */
  #running = 0;
  #taking: "requests" | "no more" | "nothing: unloaded" = "requests";

  private constructor(options: SequenceEngineOptions, deps: SequenceEngineDeps, instances: ModelInstances) {
    const { plan, model, version, logs } = options;
    const { strategy } = plan;
    this.#options = options;
    this.#clock = deps.clock;
    this.#instances = instances;
    this.#intake = new StepIntake(model, plan);
    const { maxBatchSize, instances: count } = plan.batch;
    this.#scheduler = new SequenceScheduler({ ...plan, model, instances: count, maxBatchSize });
    const preserveOrdering = strategy.kind === "oldest" && strategy.preserveOrdering;
    this.#desk = new AnswerDesk({ preserveOrdering, cache: undefined, scope: `${model}/${version}` }, deps.clock);
    this.#executor = new SequenceExecutor(plan, deps.clock);
    this.#takeovers = new SequenceTakeovers(
      { model, logs, initial: plan.states.map(({ initial }) => initial) },
      {
        offer: (step, memory) => this.#offer(step, memory),
        failed: (step, error) => this.#desk.failed(step.hosted, error, error.code === "UNAVAILABLE" ? "REJECTED" : "OTHER"),
        moved: (step, owner) => this.#desk.moved(step.hosted, () => step.relay.moved(owner)),
        again: (step, { outputs, times }) => this.#desk.moved(step.hosted, () => step.relay.answered(outputs, times)),
        settled: () => this.#pump.soon(),
      },
    );
    this.#pump = new Pump(deps.clock, () => this.#act());
  }

  /**
   * Opens and warms up every instance.
   * @throws ServingError why the model cannot be served as planned; the signal's reason when that aborts. No runner is left behind.
   */
  static async open(options: SequenceEngineOptions, deps: SequenceEngineDeps, signal: AbortSignal): Promise<SequenceEngine> {
    const { model, open, plan } = options;
    const { instances: count, warmUps } = plan.batch;
    let opened: SequenceEngine | undefined;
    const onChange = () => {
      if (opened !== undefined) opened.#pump.soon();
    };
    const check: Parameters<typeof ModelInstances.open>[0]["check"] = (signature) => checkPlan(model, plan.batch, signature);
    const instances = await ModelInstances.open({ model, open, count, warmUps, check }, { ...deps, onChange }, signal);
    opened = new SequenceEngine(options, deps, instances);
    return opened;
  }

  /** A step that was applied already is answered as it was, one that is under way is answered on the new sink. */
  infer(submit: InferSubmit, sink: InferSink): InferHandle {
    const nowMs = this.#clock.now();
    try {
      if (this.#instances.trouble !== undefined) throw this.#instances.trouble;
      const step = this.#intake.step(submit, sink, nowMs);
      return this.#repeated(step, sink) ?? this.#admitted(step);
    } catch (thrown) {
      const error = ServingError.from(thrown);
      this.#desk.statistics.failed(error.code === "UNAVAILABLE" ? "REJECTED" : "OTHER", (this.#clock.now() - nowMs) * 1000);
      throw error;
    }
  }

  load(): EngineLoad {
    return { queued: this.#scheduler.queued + this.#takeovers.waiting, running: this.#running };
  }

  statistics(): ModelStatistics {
    return this.#desk.statistics.snapshot();
  }

  async drain(): Promise<void> {
    if (this.#taking === "requests") this.#taking = "no more";
    this.#scheduler.stop();
    this.#pump.now();
    await this.#drained.promise;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#taking = "nothing: unloaded";
    this.#failWaiting(this.#unloaded());
    this.#pump.stop();
    await this.#instances[Symbol.asyncDispose]();
  }

  #admitted(step: SequenceStep): InferHandle {
    if (!this.#takeovers.admits(step, this.#scheduler.find(step.key))) this.#offer(step);
    return this.#handle(step);
  }

  /** @throws ServingError why the scheduler refuses it */
  #offer(step: SequenceStep, resumed?: SequenceMemory): void {
    const refused = this.#scheduler.offer(step, this.#clock.now(), resumed);
    if (refused !== undefined) throw refused;
    step.sequence = this.#scheduler.find(step.key);
    this.#desk.expect(step.hosted);
    this.#pump.soon();
  }

  #repeated(step: SequenceStep, sink: InferSink): InferHandle | undefined {
    const { key, token, start } = step;
    if (token === "") return undefined;
    const sequence = this.#scheduler.find(key);
    const last = sequence?.memory?.last;
    // A start that only a number names may well be that of the next sequence.
    const ended = start && step.step !== undefined ? undefined : this.#ended.find(key, token);
    const applied = last?.token === token ? last : ended;
    if (applied !== undefined) {
      queueMicrotask(() => sink.answered(applied.outputs, applied.times));
      return { cancel: () => {} };
    }
    const same = (other: SequenceStep | undefined) => other?.token === token;
    const pending = same(sequence?.running) ? sequence?.running : (sequence?.waiting.find(same) ?? this.#takeovers.find(step));
    if (pending === undefined) return undefined;
    pending.relay.target = sink;
    return this.#handle(pending);
  }

  #handle(step: SequenceStep): InferHandle {
    return {
      cancel: () => this.#cancel(step),
      lost: () => {
        step.relay.target = undefined;
      },
    };
  }

  /** A step that runs is applied all the same. */
  #cancel(step: SequenceStep): void {
    step.hosted.muted = true;
    if (step.hosted.over) return;
    const waits = this.#takeovers.cancel(step) || step.sequence?.waiting.includes(step) === true;
    if (!waits) return;
    const others = this.#scheduler.cancel(step, this.#clock.now());
    this.#desk.canceled(step.hosted);
    const error = new ServingError("CANCELLED", "an earlier or later request of the sequence was canceled, and the sequence with it");
    for (const other of others) this.#desk.failed(other.hosted, error, "CANCELED");
    this.#pump.soon();
  }

  /** @returns when to look again at the latest */
  #act(): number | undefined {
    const trouble = this.#instances.trouble;
    if (trouble !== undefined) this.#failWaiting(trouble);
    const untilMs = this.#runBatches();
    for (const { item, error } of this.#scheduler.expired(this.#clock.now())) this.#desk.failed(item.hosted, error, "REJECTED");
    for (const { memory } of this.#scheduler.gone()) if (this.#taking !== "nothing: unloaded") memory?.log?.forget();
    if (this.#taking !== "requests" && this.load().queued === 0 && this.#running === 0 && this.#again.size === 0) this.#drained.resolve();
    return untilMs;
  }

  #runBatches(): number | undefined {
    const idle = [...this.#instances.idle];
    for (const instance of idle) {
      const again = this.#again.get(instance.number);
      if (again === undefined) continue;
      this.#again.delete(instance.number);
      this.#start(again, instance);
    }
    for (;;) {
      const free = idle.filter(({ state }) => state.kind === "idle");
      const decision = this.#scheduler.next(
        free.map(({ number }) => number),
        this.#clock.now(),
      );
      if (decision.kind !== "run") return decision.kind === "wait" ? decision.untilMs : undefined;
      const rows = decision.rows.map((step) => (step !== undefined && this.#begin(step) ? step : undefined));
      const instance = free.find(({ number }) => number === decision.instance);
      if (instance !== undefined && rows.some((step) => step !== undefined)) this.#start({ rows, deaths: 0 }, instance);
    }
  }

  /** A start forgets what was before. @returns false: it is another step than its client means, and has been told so */
  #begin(step: SequenceStep): boolean {
    const { sequence, step: meant, start, token, key } = step;
    if (sequence === undefined) return false;
    const next = start ? 1 : (sequence.memory?.steps ?? 0) + 1;
    if (meant !== undefined && meant !== next) {
      const text = `inference request for sequence ${step.correlation} to model '${this.#options.model}' is step ${meant}, but the sequence goes on with step ${next}`;
      this.#settle(step, () =>
        this.#desk.failed(step.hosted, new ServingError("FAILED_PRECONDITION", text, { reason: "sequence_step" }), "OTHER"),
      );
      return false;
    }
    if (!start) return true;
    const { plan, logs } = this.#options;
    const log = logs === undefined ? undefined : SequenceLog.begin(logs, key, token);
    sequence.memory = { steps: 0, start: token, states: plan.states.map(({ initial }) => initial), last: undefined, log };
    return true;
  }

  #start(batch: AgainRows, instance: ModelInstance): void {
    const steps = batch.rows.filter((step) => step !== undefined);
    this.#running += steps.length;
    const runner = this.#instances.take(instance);
    this.#executor
      .run(batch.rows, runner)
      .then((outcome) => {
        this.#instances.giveBack(instance, outcome.kind === "died" ? "death" : "answer");
        this.#ran(batch, instance, outcome, steps);
      })
      .catch((thrown) => this.#failed(steps, ServingError.from(thrown)))
      .finally(() => this.#pump.now());
  }

  #ran(batch: AgainRows, instance: ModelInstance, outcome: SequenceOutcome, steps: readonly SequenceStep[]): void {
    switch (outcome.kind) {
      case "done":
        this.#desk.statistics.executed(steps.length, outcome.compute, this.#clock.wallClockMs());
        for (const row of outcome.rows) this.#apply(row, outcome);
        return;
      case "failed":
        this.#failed(steps, outcome.error);
        return;
      case "died": {
        const deaths = batch.deaths + 1;
        if (this.#taking === "nothing: unloaded") this.#failed(steps, this.#unloaded());
        else if (deaths < DEATHS_MAX) {
          this.#running -= steps.length;
          this.#again.set(instance.number, { rows: batch.rows, deaths });
        } else {
          const { model, version } = this.#options;
          const message = `model ${model} version ${version}: ${deaths} processes died while they ran this request or others of its batch: ${outcome.error.message}`;
          this.#failed(steps, new ServingError("INTERNAL", message, { reason: "runner_died", cause: outcome.error }));
        }
      }
    }
  }

  #failed(steps: readonly SequenceStep[], error: ServingError): void {
    for (const step of steps) {
      this.#running -= 1;
      this.#settle(step, () => this.#desk.failed(step.hosted, error, "BACKEND"));
    }
  }

  #apply({ step, outputs, states }: RowResult, { startedMs, compute }: Extract<SequenceOutcome, { readonly kind: "done" }>): void {
    const { sequence, token } = step;
    const before = sequence?.memory;
    if (sequence === undefined || before === undefined) throw new Error("a step that ran has a sequence");
    const times = { queueUs: (startedMs - step.hosted.arrivedMs) * 1000, ...compute };
    const last = { token, outputs: outputs.map(kept), times };
    const memory = { ...before, steps: before.steps + 1, states: states.map(kept), last };
    const applied = () => {
      this.#running -= 1;
      sequence.memory = memory;
      if (step.end && token !== "") this.#ended.add(step.key, last, this.#clock.now());
      this.#settle(step, () => this.#desk.answered(step.hosted, outputs, times));
    };
    if (before.log === undefined) {
      applied();
      return;
    }
    before.log.keep(memory, { ended: step.end }).then(
      (outcome) => {
        if (outcome.kind === "kept") applied();
        else this.#moved(step, sequence, outcome.owner);
      },
      (thrown) => this.#failed([step], ServingError.from(thrown)), // the state stays as it was
    );
  }

  /** Another node has taken the sequence over: what this one did with it counts for nothing. */
  #moved(step: SequenceStep, sequence: HostedSequence, owner: string): void {
    const others = this.#scheduler.drop(sequence, this.#clock.now());
    this.#running -= 1;
    for (const one of [step, ...others]) this.#desk.moved(one.hosted, () => one.relay.moved(owner));
    this.#settle(step, () => {});
  }

  #settle(step: SequenceStep, answer: () => void): void {
    answer();
    this.#scheduler.done(step, this.#clock.now());
    this.#pump.soon();
  }

  #failWaiting(error: ServingError): void {
    for (const { hosted } of [...this.#takeovers.clear(), ...this.#scheduler.clear(this.#clock.now())]) this.#desk.failed(hosted, error, "REJECTED");
    for (const [instance, { rows }] of this.#again) {
      this.#again.delete(instance);
      const steps = rows.filter((step) => step !== undefined);
      this.#running += steps.length;
      this.#failed(steps, error);
    }
  }

  #unloaded(): ServingError {
    const { model, version } = this.#options;
    return new ServingError("UNAVAILABLE", `model ${model} version ${version} was unloaded; try again`, { reason: "unloaded" });
  }
}
