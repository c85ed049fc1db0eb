/**
 * A hosted version of a stateful model at work: Triton's sequence batcher with implicit state. Takes steps in, runs them in their
 * sequence's order, each with the state that the one before left, and keeps states where other nodes find them.
 */
import type { Clock } from "../../../core/clock.ts";
import { assert, ServingError } from "../../../core/errors.ts";
import type { Upcalls } from "../../../core/messages/calling-request.ts";
import type { InferSubmit } from "../../../core/messages/infer.ts";
import type { InferHandle, InferSink } from "../../../core/messages/infer-sink.ts";
import type { ModelSignature, OpenModel } from "../../../core/wire/model-runner.ts";
import { otherStep, sequenceCanceled } from "../../scheduling/sequence-refusals.ts";
import { SequenceScheduler } from "../../scheduling/sequence-scheduler.ts";
import { AnswerDesk } from "../batch/answer-desk.ts";
import { checkPlan } from "../batch/batch-plan.ts";
import { type GatedInstances, type GatedInstancesDeps, openGatedInstances } from "../batch/gated-instances.ts";
import type { ModelInstances } from "../batch/model-instances.ts";
import type { EngineLoad, InferenceEngine } from "../inference-engine.ts";
import { Pump } from "../pump.ts";
import type { ModelStatistics } from "../statistics.ts";
import { EndedSteps } from "./ended-steps.ts";
import { type RowResult, SequenceExecutor } from "./sequence-executor.ts";
import { SequenceLog, type SequenceLogs } from "./sequence-log.ts";
import { begunMemory, kept, type SequenceMemory } from "./sequence-memory.ts";
import type { SequencePlan } from "./sequence-plan.ts";
import { type DoneRows, SequenceRuns } from "./sequence-runs.ts";
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

export type SequenceEngineDeps = Omit<GatedInstancesDeps, "onChange">;

export class SequenceEngine implements InferenceEngine {
  readonly #options: SequenceEngineOptions;
  readonly #clock: Clock;
  readonly #intake: StepIntake;
  readonly #scheduler: SequenceScheduler<SequenceStep, SequenceMemory>;
  readonly #takeovers: SequenceTakeovers;
  readonly #desk: AnswerDesk;
  readonly #runs: SequenceRuns;
  readonly #instances: ModelInstances;
  readonly #ended = new EndedSteps();
  readonly #drained = Promise.withResolvers<void>();
  readonly #pump: Pump;
  /** Steps that run, or are being kept. */
  #running = 0;
  #taking: "requests" | "no more" | "nothing: unloaded" = "requests";

  private constructor(options: SequenceEngineOptions, deps: SequenceEngineDeps, gated: GatedInstances) {
    const { plan, model, version, logs } = options;
    const { strategy } = plan;
    this.#options = options;
    this.#clock = deps.clock;
    this.#instances = gated.instances;
    this.#intake = new StepIntake(model, plan);
    const { maxBatchSize, instances: count } = plan.batch;
    this.#scheduler = new SequenceScheduler({ ...plan, model, instances: count, maxBatchSize });
    const preserveOrdering = strategy.kind === "oldest" && strategy.preserveOrdering;
    this.#desk = new AnswerDesk({ preserveOrdering, cache: undefined, scope: `${model}/${version}` }, deps.clock);
    this.#runs = new SequenceRuns(new SequenceExecutor(plan, deps.clock), gated, {
      done: (outcome) => this.#done(outcome),
      failed: (steps, error) => this.#failed(steps, error),
      after: () => this.#pump.now(),
    });
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
    const { instances: count, warmUps, rates } = plan.batch;
    let opened: SequenceEngine | undefined;
    const onChange = () => {
      if (opened !== undefined) opened.#pump.soon();
    };
    const gated = { model, open, rates, count, warmUps, check: (signature: ModelSignature) => checkPlan(model, plan.batch, signature) };
    opened = new SequenceEngine(options, deps, await openGatedInstances(gated, { ...deps, onChange }, signal));
    return opened;
  }

  /** A step that was applied already is answered as it was, one that is under way is answered on the new sink. */
  infer(submit: InferSubmit, sink: InferSink, upcalls?: Upcalls): InferHandle {
    const nowMs = this.#clock.now();
    try {
      if (this.#instances.trouble !== undefined) throw this.#instances.trouble;
      const step = this.#intake.step(submit, sink, { nowMs, upcalls });
      const repeated = this.#repeated(step, sink);
      if (repeated !== undefined) return repeated;
      if (!this.#takeovers.admits(step, this.#scheduler.find(step.key))) this.#offer(step);
      return this.#handle(step, sink);
    } catch (thrown) {
      const error = ServingError.from(thrown);
      this.#desk.statistics.failed(error.code === "UNAVAILABLE" ? "REJECTED" : "OTHER", (this.#clock.now() - nowMs) * 1000);
      throw error;
    }
  }

  load(): EngineLoad {
    const load = { queued: this.#scheduler.queued + this.#takeovers.waiting, running: this.#running };
    const queuedSinceMs = this.#scheduler.waiting().reduce((oldest, { hosted }) => Math.min(oldest, hosted.arrivedMs), Infinity);
    return queuedSinceMs === Infinity ? load : { ...load, queuedSinceMs };
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
    const { model, version } = this.#options;
    this.#failWaiting(new ServingError("UNAVAILABLE", `model ${model} version ${version} was unloaded; try again`, { reason: "unloaded" }));
    this.#pump.stop();
    await this.#instances[Symbol.asyncDispose]();
    this.#runs.close();
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
    const pending = (sequence && [sequence.running, ...sequence.waiting].find((one) => one?.token === token)) ?? this.#takeovers.find(step);
    if (pending === undefined) return undefined;
    pending.relay.target = sink;
    pending.hosted.upcalls = step.hosted.upcalls;
    return this.#handle(pending, sink);
  }

  /** Once the sender has come back on another way, the old one's end means nothing. */
  #handle(step: SequenceStep, sink: InferSink): InferHandle {
    const ifCurrent = (act: () => void) => () => step.relay.target === sink && act();
    return { cancel: ifCurrent(() => this.#cancel(step)), lost: ifCurrent(() => step.relay.leave()) };
  }

  /** A step that runs is applied all the same. */
  #cancel(step: SequenceStep): void {
    step.hosted.muted = true;
    if (step.hosted.over) return;
    const waits = this.#takeovers.cancel(step) || step.sequence?.waiting.includes(step) === true;
    if (!waits) return;
    const others = this.#scheduler.cancel(step, this.#clock.now());
    this.#desk.canceled(step.hosted);
    for (const other of others) this.#desk.failed(other.hosted, sequenceCanceled(), "CANCELED");
    this.#pump.soon();
  }

  /** @returns when to look again at the latest */
  #act(): number | undefined {
    const trouble = this.#instances.trouble;
    if (trouble !== undefined) this.#failWaiting(trouble);
    const untilMs = this.#runBatches();
    for (const { item, error } of this.#scheduler.expired(this.#clock.now())) this.#desk.failed(item.hosted, error, "REJECTED");
    for (const { memory } of this.#scheduler.gone()) if (this.#taking !== "nothing: unloaded") memory?.log?.forget();
    if (this.#taking !== "requests" && this.load().queued === 0 && this.#running === 0) this.#drained.resolve();
    return untilMs;
  }

  #runBatches(): number | undefined {
    this.#runs.startWaiting();
    for (;;) {
      const free = this.#runs.free;
      const numbers = free.map(({ number }) => number);
      const decision = this.#scheduler.next(numbers, this.#clock.now());
      if (decision.kind !== "run") return decision.kind === "wait" ? decision.untilMs : undefined;
      const rows = decision.rows.map((step) => (step !== undefined && this.#begin(step) ? step : undefined));
      const instance = free.find(({ number }) => number === decision.instance);
      const steps = rows.reduce((sum, step) => sum + (step === undefined ? 0 : 1), 0);
      if (instance === undefined || steps === 0) continue;
      this.#running += steps;
      this.#runs.start(rows, instance);
    }
  }

  /** A start forgets what was before. @returns false: it is another step than its client means, and is told so */
  #begin(step: SequenceStep): boolean {
    const { sequence, step: meant, start, token, key } = step;
    if (sequence === undefined) return false;
    const next = start ? 1 : (sequence.memory?.steps ?? 0) + 1;
    if (meant !== undefined && meant !== next) {
      this.#refuse(step, sequence, otherStep(this.#options.model, step.correlation, { meant, next }));
      return false;
    }
    if (!start) return true;
    const { plan, logs } = this.#options;
    sequence.memory = begunMemory(plan.states, token, logs && SequenceLog.begin(logs, key, token));
    return true;
  }

  /** Unless it is this node that is behind: its sequence may have gone on elsewhere while it was cut off. */
  #refuse(step: SequenceStep, sequence: HostedSequence, error: ServingError): void {
    this.#running += 1;
    const memory = step.start ? undefined : sequence.memory;
    const refused = () => this.#failed([step], error, "OTHER");
    if (memory?.log === undefined) refused();
    else
      memory.log.confirm(memory).then(
        (outcome) => (outcome.kind === "moved" ? this.#moved(step, sequence, outcome.owner) : refused()),
        (thrown) => this.#failed([step], ServingError.from(thrown)),
      );
  }

  #done(outcome: DoneRows): void {
    this.#desk.statistics.executed(outcome.rows.length, outcome.compute, this.#clock.wallClockMs());
    for (const row of outcome.rows) this.#apply(row, outcome);
    for (const { step, error } of outcome.failed) this.#failed([step], error);
  }

  #failed(steps: readonly SequenceStep[], error: ServingError, kind: "BACKEND" | "OTHER" = "BACKEND"): void {
    for (const step of steps) {
      this.#running -= 1;
      this.#settle(step, () => this.#desk.failed(step.hosted, error, kind));
    }
  }

  #apply({ step, outputs, states }: RowResult, { startedMs, compute }: DoneRows): void {
    const { sequence, token } = step;
    const before = sequence?.memory;
    assert(sequence !== undefined && before !== undefined, "a step that ran has a sequence");
    const times = { queueUs: (startedMs - step.hosted.arrivedMs) * 1000, ...compute };
    const last = { token, outputs: outputs.map(kept), times };
    const memory = { ...before, steps: before.steps + 1, states: states.map(kept), last };
    const applied = () => {
      this.#running -= 1;
      sequence.memory = memory;
      if (step.end && token !== "") this.#ended.add(step.key, last, this.#clock.now());
      this.#settle(step, () => this.#desk.answered(step.hosted, outputs, times));
    };
    if (before.log === undefined) applied();
    else
      before.log.keep(memory, { ended: step.end }).then(
        (outcome) => (outcome.kind === "kept" ? applied() : this.#moved(step, sequence, outcome.owner)),
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
    for (const { hosted } of [...this.#takeovers.clear(), ...this.#scheduler.clear(this.#clock.now())])
      this.#desk.failed(hosted, error, "REJECTED");
    this.#runs.giveUp(error, { over: this.#taking === "nothing: unloaded" });
  }
}
