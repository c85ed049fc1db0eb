/** The lead of a replica at work: takes generations in, submits the scheduler's steps to the stages, hands tokens out. */
import type { Clock } from "../../core/clock.ts";
import { ServingError } from "../../core/errors.ts";
import type { ChoiceToken, FinishReason, GenerationSubmit } from "../../core/messages/generation.ts";
import type { StepResult } from "../../core/wire/step.ts";
import type { Pipeline } from "../../core/wire/wire.ts";
import { createCounters, type GenerationCounters } from "../generation/generation-counters.ts";
import type { GenerationEvent } from "../generation/generation-event.ts";
import { GenerationScheduler, type SchedulerOptions } from "../generation/generation-scheduler.ts";
import { CANARY } from "./canary.ts";
import { checkGeneration } from "./generation-check.ts";
import { StepWatchdog } from "./step-watchdog.ts";

/** Where a generation's events go, in order. Called from the loop: must neither block nor throw. */
export interface GenerationSink {
  /** Of one step; each position of each choice exactly once, ascending. */
  tokens(tokens: readonly ChoiceToken[]): void;
  /** The choice has all its tokens. */
  finished(choice: number, reason: FinishReason): void;
  /** The generation as a whole has failed; nothing follows. */
  failed(error: ServingError): void;
}

/** Everything here may be called at any time, after the end too. After a cancel the sink is not called any more. */
export interface GenerationHandle {
  cancel(): void;
  cancelChoice(choice: number): void;
  /** No further tokens are computed until `resume`; those under way still come. */
  pause(): void;
  resume(): void;
}

export interface EngineOptions {
  /** For messages. */
  readonly model: string;
  readonly stages: number;
  readonly slots: number;
  readonly contextLength: number;
  readonly vocabSize: number;
  readonly decodeRowsMin: number;
  /** Choices that may wait for a slot; 4 per slot unless said. */
  readonly queueMax?: number;
  /** See SchedulerOptions; 50 ms and 100 ms unless said. */
  readonly prefillBudgetMs?: SchedulerOptions["prefillBudgetMs"];
}

export interface EngineDeps {
  readonly clock: Clock;
  /** A step takes ten times its measured length, or a result made no sense: all has failed, the stages should be killed. */
  readonly onStuck?: (why: ServingError) => void;
}

export interface EngineLoad {
  readonly slots: number;
  readonly busySlots: number;
  /** Choices that wait for a slot. */
  readonly queued: number;
}

interface Running {
  readonly epoch: number;
  readonly pipeline: Pipeline;
  readonly scheduler: GenerationScheduler;
  readonly watchdog: StepWatchdog;
}

interface Entry {
  readonly sink: GenerationSink;
  choicesLeft: number;
}

const QUEUED_PER_SLOT = 4;
const PREFILL_BUDGET_MS = { besideDecode: 50, alone: 100 };

export class GenerationEngine {
  readonly #options: EngineOptions;
  readonly #clock: Clock;
  readonly #onStuck: (why: ServingError) => void;
  readonly #counters = createCounters();
  readonly #entries = new Map<number, Entry>();
  #running: Running | undefined;
  #lastKey = 0;
  #deadline: { readonly dueMs: number; readonly takeBack: () => void } | undefined;

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
  }

  get counters(): GenerationCounters {
    return this.#counters;
  }

  load(): EngineLoad {
    const scheduler = this.#running?.scheduler;
    return { slots: this.#options.slots, busySlots: scheduler?.busySlots ?? 0, queued: scheduler?.queued ?? 0 };
  }

  /** From now on steps go to this pipeline, whose slots are empty; its listener's results come to `onResult`. */
  attach(pipeline: Pipeline, epoch: number): void {
    if (this.#running !== undefined)
      this.broken(this.#unavailable(`the stages of model ${this.#options.model} were connected anew; try again`));
    const { stages, slots, contextLength, decodeRowsMin } = this.#options;
    const queueMax = this.#options.queueMax ?? QUEUED_PER_SLOT * slots;
    const prefillBudgetMs = this.#options.prefillBudgetMs ?? PREFILL_BUDGET_MS;
    const scheduler = new GenerationScheduler(
      { epoch, stages, slots, contextLength, decodeRowsMin, queueMax, prefillBudgetMs },
      this.#counters,
    );
    const watchdog = new StepWatchdog(this.#clock, (limitMs) =>
      this.#fault(`a step of model ${this.#options.model} took over ${Math.round(limitMs)} ms`),
    );
    this.#running = { epoch, pipeline, scheduler, watchdog };
  }

  /** The stages are gone: closes the pipeline and fails all that runs or waits with this error. Submits are refused until the next `attach`. */
  broken(error: ServingError): void {
    const running = this.#running;
    this.#running = undefined;
    this.#deadline?.takeBack();
    this.#deadline = undefined;
    running?.watchdog.stop();
    running?.pipeline.close();
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
      events = running.scheduler.completed(result);
    } catch (thrown) {
      this.#fault(`the stages of model ${this.#options.model} answered what no step asked for`, thrown);
      return;
    }
    running.watchdog.watch(running.scheduler.oldestStepMs());
    this.#submitSteps(running); // first, so that the stages have work while tokens go out
    this.#deliver(events);
  };

  /**
   * Starts a generation; its events come later, never before this returns.
   * @throws ServingError INVALID_ARGUMENT when it cannot be carried out, RESOURCE_EXHAUSTED when the queue is full, UNAVAILABLE without stages.
   */
  submit(submit: GenerationSubmit, sink: GenerationSink): GenerationHandle {
    checkGeneration(submit, this.#options);
    const running = this.#running;
    if (running === undefined) throw this.#unavailable(`model ${this.#options.model} has no stages at the moment; try again`);
    if (!running.scheduler.hasRoomFor(submit.choices)) {
      const { slots, queued } = this.load();
      const message = `model ${this.#options.model} is full: ${slots} slots are taken and ${queued} choices wait; try again later`;
      throw new ServingError("RESOURCE_EXHAUSTED", message, { reason: "queue_full" });
    }
    return this.#start(running, submit, sink);
  }

  /**
   * Sends a prompt and a decode token through every stage, in its turn beside what runs, whatever the queue's limit.
   * @returns when both have come back. @throws ServingError UNAVAILABLE when the stages are lost; the signal's reason when that aborts.
   */
  canary(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const running = this.#running;
      if (signal.aborted) return reject(signal.reason);
      if (running === undefined) return reject(this.#unavailable(`model ${this.#options.model} has no stages at the moment; try again`));
      const onAbort = () => {
        handle.cancel();
        reject(signal.reason);
      };
      const settle = (act: () => void) => {
        signal.removeEventListener("abort", onAbort);
        act();
      };
      const sink = { tokens: () => {}, finished: () => settle(resolve), failed: (error: ServingError) => settle(() => reject(error)) };
      const handle = this.#start(running, CANARY, sink);
      signal.addEventListener("abort", onAbort, { once: true });
    });
  }

  #start(running: Running, submit: GenerationSubmit, sink: GenerationSink): GenerationHandle {
    const key = ++this.#lastKey;
    const nowMs = this.#clock.now();
    const { tenant, promptIds, choices, tokensMax, stopIds, sampling, remainingMs } = submit;
    const deadlineMs = remainingMs === undefined ? undefined : nowMs + remainingMs;
    this.#entries.set(key, { sink, choicesLeft: choices });
    running.scheduler.offer({ key, tenant, promptIds, choices, tokensMax, stopIds, sampling, deadlineMs }, nowMs);
    this.#submitSteps(running);
    this.#awaitDeadline(deadlineMs);
    return this.#handle(key);
  }

  #handle(key: number): GenerationHandle {
    const change = (act: (scheduler: GenerationScheduler) => void) => {
      const running = this.#running;
      if (running === undefined || !this.#entries.has(key)) return;
      act(running.scheduler);
      this.#submitSteps(running);
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
    };
  }

  #submitSteps(running: Running): void {
    try {
      const wasIdle = running.scheduler.oldestStepMs() === undefined;
      const nowMs = this.#clock.now();
      for (let step = running.scheduler.next(nowMs); step !== undefined; step = running.scheduler.next(nowMs))
        running.pipeline.submit(step);
      if (wasIdle) running.watchdog.watch(running.scheduler.oldestStepMs());
    } catch (thrown) {
      this.#fault(`planning a step of model ${this.#options.model} failed`, thrown);
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

  /** One timer, for the earliest deadline. */
  #awaitDeadline(dueMs: number | undefined): void {
    if (dueMs === undefined || (this.#deadline !== undefined && this.#deadline.dueMs <= dueMs)) return;
    this.#deadline?.takeBack();
    const takeBack = this.#clock.after(dueMs - this.#clock.now(), () => {
      this.#deadline = undefined;
      const running = this.#running;
      if (running === undefined) return;
      const events = running.scheduler.expire(this.#clock.now());
      this.#submitSteps(running);
      this.#deliver(events);
      this.#awaitDeadline(running.scheduler.nextDeadlineMs());
    });
    this.#deadline = { dueMs, takeBack };
  }

  #fault(message: string, cause?: unknown): void {
    const why = new ServingError("UNAVAILABLE", `${message}; try again`, { cause });
    this.broken(why);
    this.#onStuck(why);
  }

  #unavailable(message: string): ServingError {
    return new ServingError("UNAVAILABLE", message, { reason: "no_stages" });
  }
}
