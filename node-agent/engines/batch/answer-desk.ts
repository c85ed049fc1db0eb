/** Gives answers out, each once, in their order where that is wanted; keeps and finds them in the response cache; counts. */
import type { Memory } from "../../../core/bytes/lent-memory.ts";
import type { Clock } from "../../../core/clock.ts";
import type { ServingError } from "../../../core/errors.ts";
import type { InferTimes } from "../../../core/messages/infer.ts";
import { inferKey } from "../../../core/messages/infer-key.ts";
import type { ParameterValues } from "../../../core/messages/parameter-value.ts";
import type { Tensor } from "../../../core/tensor/tensor.ts";
import { ReleaseOrder } from "../../scheduling/release-order.ts";
import type { ResponseCache } from "../../scheduling/response-cache.ts";
import { type FailureReason, StatisticsCounter } from "../statistics.ts";
import type { HostedRequest } from "./hosted-request.ts";

/** A request whose parameter of this name is false is neither answered from the cache nor kept in it. */
const CACHE_PARAMETER = "response_cache";

export interface AnswerDeskOptions {
  readonly preserveOrdering: boolean;
  /** undefined: the model's answers are not kept. */
  readonly cache: ResponseCache | undefined;
  /** The hosted version, another one for each load of it: answers of an earlier load are never found. */
  readonly scope: string;
}

export class AnswerDesk {
  readonly statistics = new StatisticsCounter();
  readonly #options: AnswerDeskOptions;
  readonly #clock: Clock;
  readonly #order: ReleaseOrder<() => void> | undefined;

  constructor(options: AnswerDeskOptions, clock: Clock) {
    this.#options = options;
    this.#clock = clock;
    this.#order = options.preserveOrdering ? new ReleaseOrder() : undefined;
  }

  /** Looks the request up. @returns true: the cache answers it, on a later turn */
  answersFromCache(request: HostedRequest): boolean {
    const { cache, scope } = this.#options;
    if (cache === undefined || request.submit.parameters.get(CACHE_PARAMETER) === false) return false;
    const beganMs = this.#clock.now();
    const key = inferKey(scope, request.submit);
    const outputs = cache.find(key, beganMs);
    request.lookupUs = (this.#clock.now() - beganMs) * 1000;
    if (outputs === undefined) {
      request.cacheKey = key;
      return false;
    }
    queueMicrotask(() => this.#hit(request, outputs));
    return true;
  }

  /** The request is taken in: its answer will come, in its turn. */
  expect(request: HostedRequest): void {
    request.turn = this.#order?.take();
  }

  /** The cache keeps the outputs alone, as Triton's does. */
  answered(request: HostedRequest, outputs: readonly Tensor[], times: InferTimes, parameters?: ParameterValues, memory?: Memory): void {
    if (request.over) return;
    const { cache, scope } = this.#options;
    if (cache !== undefined && request.cacheKey !== undefined) {
      const beganMs = this.#clock.now();
      cache.insert(scope, request.cacheKey, outputs, beganMs);
      this.statistics.missed(request.lookupUs + (this.#clock.now() - beganMs) * 1000);
    }
    this.statistics.succeeded(request.size, times, this.#ageUs(request));
    this.#release(request, () => request.sink.answered(outputs, times, parameters, memory));
  }

  failed(request: HostedRequest, error: ServingError, reason: FailureReason): void {
    if (request.over) return;
    this.statistics.failed(reason, this.#ageUs(request));
    this.#release(request, () => request.sink.failed(error));
  }

  /** Its sender gave it up: no answer. */
  canceled(request: HostedRequest): void {
    if (request.over) return;
    this.statistics.failed("CANCELED", this.#ageUs(request));
    this.#release(request, undefined);
  }

  /** It was not executed, and somebody else will: `tell` says so. Not counted. */
  moved(request: HostedRequest, tell: () => void): void {
    if (!request.over) this.#release(request, tell);
  }

  /** Nothing is kept for this load any more. */
  close(): void {
    this.#options.cache?.drop(this.#options.scope);
  }

  #hit(request: HostedRequest, outputs: readonly Tensor[]): void {
    if (request.over) return;
    const totalUs = this.#ageUs(request);
    this.statistics.hit({ lookupUs: request.lookupUs, totalUs });
    const times = { queueUs: totalUs - request.lookupUs, computeInputUs: 0, computeInferUs: 0, computeOutputUs: 0 };
    this.#release(request, () => request.sink.answered(outputs, times));
  }

  #release(request: HostedRequest, answer: (() => void) | undefined): void {
    request.over = true;
    request.batch = undefined;
    if (this.#order === undefined || request.turn === undefined) give(request, answer);
    else for (const next of this.#order.settle(request.turn, () => give(request, answer))) next();
  }

  #ageUs({ arrivedMs }: HostedRequest): number {
    return (this.#clock.now() - arrivedMs) * 1000;
  }
}

function give({ muted }: HostedRequest, answer: (() => void) | undefined): void {
  if (!muted) answer?.();
}
