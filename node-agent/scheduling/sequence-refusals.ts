/** Why sequence batching refuses requests, in Triton's words. Sequence errors carry no request id there. Pure. */
import { ServingError } from "../../core/errors.ts";

export const moreThanOneRow = (model: string): ServingError =>
  new ServingError(
    "INVALID_ARGUMENT",
    `inference request to model '${model}' must specify batch-size 1 due to requirements of sequence batcher`,
  );

export const noCorrelationId = (model: string): ServingError =>
  new ServingError("INVALID_ARGUMENT", `inference request to model '${model}' must specify a non-zero or non-empty correlation ID`);

export const startMissing = (model: string, correlation: string): ServingError =>
  new ServingError(
    "INVALID_ARGUMENT",
    `inference request for sequence ${correlation} to model '${model}' must specify the START flag on the first request of the sequence`,
    { reason: "sequence_not_started" },
  );

export const backlogTimeout = (): ServingError =>
  new ServingError("UNAVAILABLE", "timeout of the corresponding sequence has been expired", { reason: "queue_timeout" });

export const stopping = (id: string): ServingError =>
  new ServingError(
    "UNAVAILABLE",
    `[request id: ${id === "" ? "<id_unknown>" : id}] Server is stopping, scheduler for model has stopped accepting new inference requests`,
    { reason: "scheduler_stopped" },
  );

export const sequenceCanceled = (): ServingError =>
  new ServingError("CANCELLED", "another request of the sequence was canceled, and the sequence with it", { reason: "sequence_canceled" });

/** Ours: Triton does not number steps. */
export function otherStep(
  model: string,
  correlation: string,
  { meant, next }: { readonly meant: number; readonly next: number },
): ServingError {
  const text = `inference request for sequence ${correlation} to model '${model}' is step ${meant}, but the sequence goes on with step ${next}`;
  return new ServingError("FAILED_PRECONDITION", text, { reason: "sequence_step" });
}
