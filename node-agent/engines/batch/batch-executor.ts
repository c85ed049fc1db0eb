/** Runs a formed batch on a runner and hands its requests their answers. */
import { sharedBy } from "../../../core/bytes/lent-memory.ts";
import type { Clock } from "../../../core/clock.ts";
import { ServingError } from "../../../core/errors.ts";
import type { InferTimes } from "../../../core/messages/infer.ts";
import type { BatchResult, ModelRunnerHandle } from "../../../core/wire/model-runner.ts";
import { isDeath } from "../../../core/wire/runner-death.ts";
import type { AnswerDesk } from "./answer-desk.ts";
import { BatchAssembler } from "./assemble.ts";
import type { BatchPlan } from "./batch-plan.ts";
import { computeTimes } from "./compute-times.ts";
import type { FormedBatch, HostedRequest } from "./hosted-request.ts";
import { ResultSplitter } from "./split.ts";

/** A runner that has died can be tried once more with another one. */
export type BatchOutcome = "over" | { readonly died: ServingError };

export class BatchExecutor {
  readonly #assembler: BatchAssembler;
  readonly #splitter: ResultSplitter;
  readonly #desk: AnswerDesk;
  readonly #clock: Clock;
  /** By runner: one signal serves many batches, until it has aborted one. */
  readonly #controllers = new WeakMap<ModelRunnerHandle, AbortController>();

  constructor(plan: BatchPlan, desk: AnswerDesk, clock: Clock) {
    this.#assembler = new BatchAssembler(plan);
    this.#splitter = new ResultSplitter(plan);
    this.#desk = desk;
    this.#clock = clock;
  }

  /** Answers all requests that are not over, unless the runner dies. Never rejects. */
  async run(batch: FormedBatch, runner: ModelRunnerHandle): Promise<BatchOutcome> {
    const startedMs = this.#clock.now();
    const requests = batch.requests.some(({ over }) => over) ? batch.requests.filter(({ over }) => !over) : batch.requests;
    const controller = this.#controller(runner);
    batch.abort = () => controller.abort();
    try {
      const result = await runner.execute(this.#assembler.assemble(requests.map(({ submit }) => submit)), controller.signal);
      this.#answer(requests, result, startedMs);
    } catch (thrown) {
      const error = ServingError.from(thrown);
      if (isDeath(error)) return { died: error };
      for (const request of requests) this.#desk.failed(request, error, "BACKEND");
    } finally {
      batch.abort = undefined;
    }
    return "over";
  }

  #answer(requests: readonly HostedRequest[], result: BatchResult, startedMs: number): void {
    const answers = this.#splitter.split(result.outputs, requests);
    const endedMs = this.#clock.now();
    const compute = computeTimes(result, endedMs - startedMs);
    let size = 0;
    for (const request of requests) size += request.size;
    const memory = result.memory && sharedBy(result.memory, requests.length);
    this.#desk.statistics.executed(size, compute, this.#clock.wallClockMs());
    const { computeInputUs, computeInferUs, computeOutputUs } = compute;
    let place = 0;
    for (const request of requests) {
      const times: InferTimes = { queueUs: (startedMs - request.arrivedMs) * 1000, computeInputUs, computeInferUs, computeOutputUs };
      if (!request.over) request.submit.memory?.release(); // who gave it up may have taken it elsewhere
      this.#desk.answered(request, answers[place++] ?? [], times, undefined, memory);
    }
  }

  #controller(runner: ModelRunnerHandle): AbortController {
    let controller = this.#controllers.get(runner);
    if (controller === undefined || controller.signal.aborted) {
      controller = new AbortController();
      this.#controllers.set(runner, controller);
    }
    return controller;
  }
}
