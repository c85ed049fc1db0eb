/** The sender of one request: its answers go to the request's sink as far as that has room, and are counted by their place. */
import type { Clock } from "../../../core/clock.ts";
import { ServingError } from "../../../core/errors.ts";
import type { Response } from "../../../core/messages/infer-sink.ts";
import type { ParameterValues } from "../../../core/messages/parameter-value.ts";
import type { Tensor } from "../../../core/tensor/tensor.ts";
import type { ResponseSender } from "../../backends/backend.ts";
import { AnswerCounter } from "../answer-counter.ts";
import type { AnswerDesk } from "../batch/answer-desk.ts";
import type { HostedRequest } from "../batch/hosted-request.ts";
import type { ResponseOutcome } from "../response-statistics.ts";

export interface SenderDeps {
  readonly desk: AnswerDesk;
  readonly clock: Clock;
  readonly decoupled: boolean;
  /** From what the model gives to what clients see. */
  readonly visible: (outputs: readonly Tensor[]) => readonly Tensor[];
  /** The request has ended, by whomever. */
  readonly onOver: () => void;
}

/** Triton's texts. */
const CLOSED = "Unable to send response. Response sender has been closed.";
const ONLY_ONE = "Unable to send response. Non-decoupled model cannot send more than one response";
const NO_ROOM = "Unable to send response. There is no room for another yet: wait for what the last call gave";

export class RequestSender implements ResponseSender {
  readonly request: HostedRequest;
  readonly #deps: SenderDeps;
  readonly #startedMs: number;
  /** Of decoupled models. */
  readonly #counter: AnswerCounter | undefined;
  #sent = 0;
  #state: "open" | "ended" | "canceled" = "open";
  /** Made when somebody asks for it: most requests are answered at once. */
  #controller: AbortController | undefined;
  /** The sink has no room; resolves when it has. */
  #full: PromiseWithResolvers<void> | undefined;

  constructor(request: HostedRequest, deps: SenderDeps) {
    this.request = request;
    this.#deps = deps;
    this.#startedMs = deps.clock.now();
    this.#counter = deps.decoupled ? new AnswerCounter(request.arrivedMs, deps.desk.statistics, deps.clock) : undefined;
    this.#counter?.restart();
  }

  get isCanceled(): boolean {
    return this.#state === "canceled";
  }

  get signal(): AbortSignal {
    this.#controller ??= new AbortController();
    if (this.isCanceled) this.#controller.abort(canceled());
    return this.#controller.signal;
  }

  send(response: Response, parameters?: ParameterValues): Promise<void> | undefined {
    if (this.#state === "canceled") return undefined;
    if (this.#full !== undefined) throw unable(NO_ROOM);
    this.#checkOpen();
    if (this.#deps.decoupled) return this.#respond(response, parameters);
    this.#finish(response, parameters);
    return undefined;
  }

  end(last?: Response, parameters?: ParameterValues): void {
    if (this.#state === "canceled") return;
    const { decoupled } = this.#deps;
    if (last === undefined && !decoupled && this.#sent > 0) return; // its one answer has ended it already
    this.#checkOpen();
    this.#finish(last ?? (decoupled ? [] : new ServingError("INTERNAL", "expected a single response, got 0")), parameters);
  }

  /** The sink has room again. */
  resume(): void {
    if (this.#full === undefined) return;
    this.#counter?.restart(); // waiting for room is no work on the next answer
    this.#full.resolve();
    this.#full = undefined;
  }

  /** Whoever executes it has given it up: it fails, unless it has ended. */
  giveUp(error: ServingError): void {
    if (this.#state !== "open") return;
    this.#stop(error);
    this.#deps.desk.failed(this.request, error, "BACKEND");
    this.#deps.onOver();
  }

  /** Nobody wants it any more. */
  cancel(): void {
    if (this.#state !== "open") return;
    this.#stop(canceled());
    this.#count("cancel", this.#deps.clock.now());
    this.#deps.desk.canceled(this.request);
    this.#deps.onOver();
  }

  #checkOpen(): void {
    if (!this.#deps.decoupled && this.#sent > 0) throw unable(ONLY_ONE);
    if (this.#state !== "open") throw unable(CLOSED);
  }

  #stop(reason: ServingError): void {
    this.#state = "canceled";
    this.#controller?.abort(reason);
    this.#full?.resolve();
  }

  #respond(response: Response, parameters: ParameterValues | undefined): Promise<void> | undefined {
    const madeMs = this.#deps.clock.now();
    const hasRoom = this.request.sink.respond?.(this.#seen(response), parameters) ?? true;
    this.#count(response instanceof ServingError ? "fail" : "success", madeMs);
    if (hasRoom || this.#state !== "open") return undefined;
    this.#full = Promise.withResolvers();
    return this.#full.promise;
  }

  #finish(response: Response, parameters: ParameterValues | undefined): void {
    this.#state = "ended";
    const { desk, clock } = this.#deps;
    const madeMs = clock.now();
    if (response instanceof ServingError) {
      desk.failed(this.request, response, "BACKEND");
      this.#count("fail", madeMs);
    } else {
      const times = {
        queueUs: (this.#startedMs - this.request.arrivedMs) * 1000,
        computeInputUs: 0,
        computeInferUs: (madeMs - this.#startedMs) * 1000,
        computeOutputUs: 0,
      };
      desk.answered(this.request, this.#deps.visible(response), times, parameters);
      this.#count(response.length === 0 ? "empty" : "success", madeMs);
    }
    this.#deps.onOver();
  }

  #seen(response: Response): Response {
    return response instanceof ServingError ? response : this.#deps.visible(response);
  }

  /** @param madeMs when this one was there */
  #count(outcome: ResponseOutcome, madeMs: number): void {
    this.#sent += 1;
    this.#counter?.count(outcome, madeMs);
  }
}

const canceled = () => new ServingError("CANCELLED", "the request was canceled");
const unable = (text: string) => new ServingError("FAILED_PRECONDITION", text);
