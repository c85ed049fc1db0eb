/**
 * The lead of a replica at work: takes generations in, submits the scheduler's steps to the stages, hands tokens out. When the
 * stages are lost its generations wait for new ones, which build the caches again from the ids that the scheduler keeps.
 */
import type { Clock } from "../../core/clock.ts";
import { POISON_REQUEST, ServingError } from "../../core/errors.ts";
import { type GenerationSubmit, openChoices } from "../../core/messages/generation.ts";
import type { StepResult } from "../../core/wire/step.ts";
import type { Pipeline } from "../../core/wire/wire.ts";
import { createCounters, type GenerationCounters } from "../generation/generation-counters.ts";
import type { GenerationEvent } from "../generation/generation-event.ts";
import { GenerationScheduler } from "../generation/generation-scheduler.ts";
import type { GenerationTiming } from "../generation/generation-timing.ts";
import { Strikes } from "../generation/strikes.ts";
import { CANARY, canaryPassed } from "./canary.ts";
import { DeadlineTimer } from "./deadline-timer.ts";
import { type EngineLoad, type EngineOptions, schedulerOptions } from "./engine-options.ts";
import { checkGeneration } from "./generation-check.ts";
import type { GenerationHandle, GenerationSink } from "./generation-sink.ts";
import { StepWatchdog } from "./step-watchdog.ts";

export interface EngineDeps {
  readonly clock: Clock;
  /** A step takes ten times its measured length, or a result made no sense: all has failed, the stages should be killed. */
  readonly onStuck?: (why: ServingError) => void;
}

interface Running {
  readonly epoch: number;
  readonly pipeline: Pipeline;
  readonly watchdog: StepWatchdog;
}

interface Entry {
  readonly sink: GenerationSink;
  /** Whether it waits for new stages when these are lost: what can move need not, and a canary says something of these alone. */
  readonly survives: boolean;
  choicesLeft: number;
}

type Begin = Pick<Entry, "survives"> & { readonly timing?: GenerationTiming | undefined };

/** Generations whose stages do not come back for so long are given up: others may have stages for them. */
const REPAIR_MS_MAX = 20_000;

export class GenerationEngine {
  readonly #options: EngineOptions;
  readonly #clock: Clock;
  readonly #onStuck: (why: ServingError) => void;
  readonly #counters = createCounters();
  readonly #entries = new Map<number, Entry>();
  readonly #strikes = new Strikes();
  readonly #deadlines: DeadlineTimer;
  #scheduler: GenerationScheduler;
  #running: Running | undefined;
  #lastKey = 0;
  /** Runs from a loss of stages until there is a token again. */
  #takeBackGivingUp: (() => void) | undefined;

  /** @throws ServingError INVALID_ARGUMENT when there are fewer slots than a decode run needs rows. */
  constructor(options: EngineOptions, deps: EngineDeps) {
    const { model, slots, decodeRowsMin } = options;
    if (slots < decodeRowsMin)
      throw new ServingError(
        "INVALID_ARGUMENT",
        `model ${model} has ${slots} slots, this CPU needs at least ${decodeRowsMin}: raise 'slots'`,
      );
    this.#options = options;
    this.#clock = deps.clock;
    this.#onStuck = deps.onStuck ?? (() => {});
    this.#deadlines = new DeadlineTimer(deps.clock, () => this.#expire());
    this.#scheduler = new GenerationScheduler(schedulerOptions(options), this.#counters);
  }

  get counters(): GenerationCounters {
    return this.#counters;
  }

  load(): EngineLoad {
    return { slots: this.#options.slots, ...this.#scheduler.load() };
  }

  /**
   * From now on steps go to this pipeline, whose slots are empty; its listener's results come to `onResult`. What has waited for
   * it begins when a canary has passed, or with the next submit. `sameRunners`: none had died, only connections were lost.
   */
  attach(pipeline: Pipeline, epoch: number, { sameRunners = false }: { readonly sameRunners?: boolean } = {}): void {
    if (sameRunners) this.#strikes.forgive();
    this.lost(this.#unavailable(`the stages of model ${this.#options.model} were connected anew; try again`), { died: false });
    const watchdog = new StepWatchdog(this.#clock, (limitMs) =>
      this.#fault(`a step of model ${this.#options.model} took over ${Math.round(limitMs)} ms`),
    );
    this.#scheduler.restart(epoch);
    this.#running = { epoch, pipeline, watchdog };
  }

  /**
   * The stages are gone: closes the pipeline. Submits are refused until the next `attach`; what runs waits for it, and fails with
   * this error when it is not there in time.
   */
  lost(error: ServingError, { died }: { readonly died: boolean }): void {
    const running = this.#running;
    if (running === undefined) return;
    this.#running = undefined;
    running.watchdog.stop();
    running.pipeline.close();
    const runs = this.#scheduler.restart(running.epoch);
    const poison = died ? this.#strikes.strike(runs) : new Set<number>();
    for (const [key, { survives }] of [...this.#entries]) {
      if (poison.has(key)) this.#fail(key, this.#poisonous());
      else if (!survives) this.#fail(key, error);
    }
    if (this.#entries.size > 0) this.#takeBackGivingUp ??= this.#clock.after(REPAIR_MS_MAX, () => this.broken(error));
  }

  /** There is no more to wait for: closes the pipeline and fails all that runs or waits with this error. */
  broken(error: ServingError): void {
    this.lost(error, { died: false });
    this.#deadlines.stop();
    this.#stagesAreBack();
    this.#scheduler = new GenerationScheduler(schedulerOptions(this.#options), this.#counters);
    const entries = [...this.#entries.values()];
    this.#entries.clear();
    for (const { sink } of entries) sink.failed(error);
  }

  /** For the pipeline's listener; results of epochs that are over are dropped. */
  readonly onResult = (result: StepResult): void => {
    const running = this.#running;
    if (running === undefined || result.epoch !== running.epoch) return;
    let events: readonly GenerationEvent[];
    try {
      events = this.#scheduler.completed(result);
    } catch (thrown) {
      this.#fault(`the stages of model ${this.#options.model} answered what no step asked for`, thrown);
      return;
    }
    if (events.length > 0) this.#stagesAreBack();
    running.watchdog.watch(this.#scheduler.oldestStepMs());
    this.#submitSteps(); // first, so that the stages have work while tokens go out
    this.#deliver(events);
  };

  /**
   * Starts a generation; its events come later, never before this returns.
   * @throws ServingError INVALID_ARGUMENT when it cannot be carried out, RESOURCE_EXHAUSTED when the queue is full, UNAVAILABLE without stages.
   */
  submit(submit: GenerationSubmit, sink: GenerationSink, timing?: GenerationTiming): GenerationHandle {
    checkGeneration(submit, this.#options);
    if (this.#running === undefined) throw this.#noStages();
    if (!this.#scheduler.hasRoomFor(submit.choices)) {
      const { slots, queued } = this.load();
      const message = `model ${this.#options.model} is full: ${slots} slots are taken and ${queued} choices wait; try again later`;
      throw new ServingError("RESOURCE_EXHAUSTED", message, { reason: "queue_full" });
    }
    this.#scheduler.admit();
    return this.#start(submit, sink, { survives: submit.movable !== true, timing });
  }

  /**
   * Sends a prompt and a decode token through every stage, in its turn beside what runs, whatever the queue's limit.
   * @returns when both have come back. @throws ServingError UNAVAILABLE when the stages are lost; the signal's reason when that aborts.
   */
  canary(signal: AbortSignal): Promise<void> {
    if (this.#running === undefined) return Promise.reject(this.#noStages());
    const begin = (sink: GenerationSink) => {
      const finished = () => {
        this.#scheduler.admit();
        this.#submitSteps();
        sink.finished(0, "length");
      };
      return this.#start(CANARY, { ...sink, finished }, { survives: false });
    };
    return canaryPassed(begin, signal);
  }

  #start(submit: GenerationSubmit, sink: GenerationSink, { survives, timing }: Begin): GenerationHandle {
    const key = ++this.#lastKey;
    const nowMs = this.#clock.now();
    const { remainingMs } = submit;
    const deadlineMs = remainingMs === undefined ? undefined : nowMs + remainingMs;
    this.#entries.set(key, { sink, survives, choicesLeft: openChoices(submit).length });
    this.#scheduler.offer({ ...submit, key, deadlineMs, timing }, nowMs);
    this.#submitSteps();
    this.#deadlines.await(deadlineMs);
    return this.#handle(key);
  }

  #handle(key: number): GenerationHandle {
    const change = (act: (scheduler: GenerationScheduler) => void) => {
      if (!this.#entries.has(key)) return;
      act(this.#scheduler);
      this.#submitSteps();
    };
    return {
      cancel: () =>
        change((scheduler) => {
          this.#entries.delete(key);
          scheduler.cancel(key);
        }),
      cancelChoice: (choice) =>
        change((scheduler) => {
          if (scheduler.cancelChoice(key, choice)) this.#choiceEnded(key);
        }),
      pause: () => change((scheduler) => scheduler.pause(key)),
      resume: () => change((scheduler) => scheduler.resume(key)),
      park: () => change((scheduler) => scheduler.park(key)),
    };
  }

  #submitSteps(): void {
    const running = this.#running;
    if (running === undefined) return;
    const scheduler = this.#scheduler;
    try {
      const wasIdle = scheduler.oldestStepMs() === undefined;
      const nowMs = this.#clock.now();
      for (let step = scheduler.next(nowMs); step !== undefined; step = scheduler.next(nowMs)) running.pipeline.submit(step);
      if (wasIdle) running.watchdog.watch(scheduler.oldestStepMs());
    } catch (cause) {
      const why = new ServingError("UNAVAILABLE", `planning a step of model ${this.#options.model} failed; try again`, { cause });
      this.broken(why); // a scheduler that errs errs again
      this.#onStuck(why);
    }
  }

  #deliver(events: readonly GenerationEvent[]): void {
    for (let index = 0; index < events.length; index++) {
      const event = events[index];
      const entry = event === undefined ? undefined : this.#entries.get(event.key);
      if (event === undefined || entry === undefined) continue; // canceled since, perhaps by a sink just now
      switch (event.kind) {
        case "token": {
          const tokens = [event.token];
          for (let next = events[index + 1]; next?.kind === "token" && next.key === event.key; next = events[index + 1]) {
            tokens.push(next.token);
            index += 1;
          }
          entry.sink.tokens(tokens);
          break;
        }
        case "finished":
          this.#choiceEnded(event.key);
          entry.sink.finished(event.choice, event.reason);
          break;
        case "expired":
          this.#entries.delete(event.key);
          entry.sink.failed(
            new ServingError("DEADLINE_EXCEEDED", "the request's deadline has passed: ask for fewer tokens or allow more time"),
          );
          break;
      }
    }
  }

  #choiceEnded(key: number): void {
    const entry = this.#entries.get(key);
    if (entry === undefined) return;
    entry.choicesLeft -= 1;
    if (entry.choicesLeft === 0) this.#entries.delete(key);
  }

  #expire(): void {
    const events = this.#scheduler.expire(this.#clock.now());
    this.#submitSteps();
    this.#deliver(events);
    this.#deadlines.await(this.#scheduler.nextDeadlineMs());
  }

  #fail(key: number, error: ServingError): void {
    const entry = this.#entries.get(key);
    this.#entries.delete(key);
    this.#scheduler.cancel(key);
    entry?.sink.failed(error);
  }

  #stagesAreBack(): void {
    this.#takeBackGivingUp?.();
    this.#takeBackGivingUp = undefined;
  }

  #fault(message: string, cause?: unknown): void {
    const why = new ServingError("UNAVAILABLE", `${message}; try again`, { cause });
    this.lost(why, { died: true });
    this.#onStuck(why);
  }

  #noStages(): ServingError {
    return this.#unavailable(`model ${this.#options.model} has no stages at the moment; try again`);
  }

  #unavailable(message: string): ServingError {
    return new ServingError("UNAVAILABLE", message, { reason: "no_stages" });
  }

  #poisonous(): ServingError {
    const message = `model ${this.#options.model} died again and again at the same token of this request: it is not tried again`;
    return new ServingError("INTERNAL", message, { reason: POISON_REQUEST });
  }
}
