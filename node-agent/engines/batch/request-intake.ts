/** The way into an engine with a queue: a request is answered from the cache, waits, or is refused, which is counted. */
import type { Clock } from "../../../core/clock.ts";
import { ServingError } from "../../../core/errors.ts";
import type { InferSubmit } from "../../../core/messages/infer.ts";
import type { InferSink } from "../../../core/messages/infer-sink.ts";
import type { BatchQueue } from "../../scheduling/batch-queue.ts";
import type { AnswerDesk } from "./answer-desk.ts";
import { HostedRequest } from "./hosted-request.ts";
import type { RequestForms } from "./request-form.ts";

export interface RequestIntakeParts {
  readonly clock: Clock;
  readonly forms: RequestForms;
  readonly queue: BatchQueue<HostedRequest>;
  readonly desk: AnswerDesk;
  /** Throws what the engine refuses a request for, whatever it asks. */
  readonly check: (sink: InferSink) => void;
  /** A request waits. */
  readonly onQueued: () => void;
}

export class RequestIntake {
  readonly #parts: RequestIntakeParts;

  constructor(parts: RequestIntakeParts) {
    this.#parts = parts;
  }

  /** @throws ServingError as `check` and the queue do, INVALID_ARGUMENT when it does not fit the plan: nothing has been executed */
  take(submit: InferSubmit, sink: InferSink): HostedRequest {
    const { clock, forms, queue, desk, check, onQueued } = this.#parts;
    const nowMs = clock.now();
    try {
      check(sink);
      const request = new HostedRequest(submit, sink, { rows: forms.rows(submit), form: forms.form(submit), nowMs });
      if (!queue.stopped && desk.answersFromCache(request)) {
        desk.expect(request);
        return request;
      }
      const refused = queue.offer(request, nowMs);
      if (refused !== undefined) throw refused;
      desk.expect(request);
      onQueued();
      return request;
    } catch (thrown) {
      const error = ServingError.from(thrown);
      desk.statistics.failed(error.code === "UNAVAILABLE" ? "REJECTED" : "OTHER", (clock.now() - nowMs) * 1000);
      throw error;
    }
  }
}
