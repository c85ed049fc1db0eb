/**
 * What a replica's generations have come to, counted as Triton counts the requests of a model: a generation is a request, an inference
 * and an execution of batch size 1, from its submit to the end of its last choice. What is not queue is compute. Each token of its
 * first choice is a response. One that goes on on
 * another node is counted there anew, and canceled here.
 */
import type { Clock } from "../../core/clock.ts";
import { type ErrorCode, ServingError } from "../../core/errors.ts";
import { type ChoiceToken, type FinishReason, type GenerationSubmit, openChoices } from "../../core/messages/generation.ts";
import type { GenerationTiming } from "../generation/generation-timing.ts";
import type { GenerationEngine } from "./generation-engine.ts";
import type { GenerationHandle, GenerationSink } from "./generation-sink.ts";
import type { ResponseOutcome } from "./response-statistics.ts";
import { type FailureReason, type ModelStatistics, StatisticsCounter } from "./statistics.ts";

const REASONS: Partial<Record<ErrorCode, FailureReason>> = {
  CANCELLED: "CANCELED",
  DEADLINE_EXCEEDED: "CANCELED",
  RESOURCE_EXHAUSTED: "REJECTED",
  INTERNAL: "BACKEND",
  UNAVAILABLE: "BACKEND",
};

export class GenerationStatistics {
  readonly #counter = new StatisticsCounter();
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  snapshot(): ModelStatistics {
    return this.#counter.snapshot();
  }

  /** @throws ServingError as the engine's `submit`, counted */
  submit(
    engine: Pick<GenerationEngine, "submit">,
    submit: GenerationSubmit,
    sink: GenerationSink,
    timing: GenerationTiming,
  ): GenerationHandle {
    const counted = this.count(submit, timing, sink);
    try {
      return counted.handle(engine.submit(submit, counted, timing));
    } catch (thrown) {
      counted.refused(ServingError.from(thrown));
      throw thrown;
    }
  }

  /** @param timing that the engine is given for this generation @returns the sink to submit it with */
  count(submit: GenerationSubmit, timing: GenerationTiming, sink: GenerationSink): CountedGeneration {
    const arrivedMs = this.#clock.now();
    const open = new Set(openChoices(submit));
    let beforeMs = arrivedMs;
    const responded = (place: number, outcome: ResponseOutcome) => {
      const nowMs = this.#clock.now();
      const times = { inferUs: (nowMs - beforeMs) * 1000, outputUs: 0, ageUs: (nowMs - arrivedMs) * 1000 };
      this.#counter.responded(place, outcome, times);
      beforeMs = nowMs;
    };
    return new CountedGeneration(sink, open, {
      responded,
      succeeded: () => {
        const nowMs = this.#clock.now();
        const queueUs = ((timing.admittedMs ?? nowMs) - arrivedMs) * 1000;
        const totalUs = (nowMs - arrivedMs) * 1000;
        const compute = { computeInputUs: 0, computeInferUs: totalUs - queueUs, computeOutputUs: 0 };
        this.#counter.executed(1, compute, this.#clock.wallClockMs());
        this.#counter.succeeded(1, { queueUs, ...compute }, totalUs);
      },
      failed: (reason) => this.#counter.failed(reason, (this.#clock.now() - arrivedMs) * 1000),
    });
  }
}

interface Outcomes {
  /** @param place of the response in the generation */
  readonly responded: (place: number, outcome: ResponseOutcome) => void;
  readonly succeeded: () => void;
  readonly failed: (reason: FailureReason) => void;
}

/** Passes everything on, and counts the first end. */
class CountedGeneration implements GenerationSink {
  readonly #sink: GenerationSink;
  readonly #open: Set<number>;
  #outcomes: Outcomes | undefined;
  /** The next response's place. */
  #next = 0;

  constructor(sink: GenerationSink, open: Set<number>, outcomes: Outcomes) {
    this.#sink = sink;
    this.#open = open;
    this.#outcomes = outcomes;
  }

  tokens(tokens: readonly ChoiceToken[]): void {
    for (const { choice, position } of tokens) {
      if (choice !== 0) continue;
      this.#outcomes?.responded(position, "success");
      this.#next = position + 1;
    }
    this.#sink.tokens(tokens);
  }

  finished(choice: number, reason: FinishReason): void {
    this.#choiceOver(choice);
    this.#sink.finished(choice, reason);
  }

  failed(error: ServingError): void {
    this.#outcomes?.responded(this.#next, "fail");
    this.refused(error);
    this.#sink.failed(error);
  }

  /** The engine did not take it. */
  refused({ code }: ServingError): void {
    this.#outcomes?.failed(REASONS[code] ?? "OTHER");
    this.#outcomes = undefined;
  }

  /** The same handle. A choice that is canceled has come to its end: a stop string was found. */
  handle(handle: GenerationHandle): GenerationHandle {
    return {
      ...handle,
      cancel: () => {
        this.#outcomes?.responded(this.#next, "cancel");
        this.#outcomes?.failed("CANCELED");
        this.#outcomes = undefined;
        handle.cancel();
      },
      cancelChoice: (choice) => {
        this.#choiceOver(choice);
        handle.cancelChoice(choice);
      },
    };
  }

  #choiceOver(choice: number): void {
    if (!this.#open.delete(choice) || this.#open.size > 0) return;
    this.#outcomes?.responded(this.#next, "empty");
    this.#outcomes?.succeeded();
    this.#outcomes = undefined;
  }
}
