/** A request's answers, whatever kind of model gives them: one, or any number. */
import { leave, pullUntil } from "../../http/pull-until.ts";
import type { DecoupledResponse, InferRequest } from "../../serving/inference.ts";
import type { ModelView } from "../../serving/model-catalog.ts";
import type { TensorServing } from "../tensor-serving.ts";
import type { LanguageDeps } from "./language-generate.ts";
import { languageResponses } from "./language-responses.ts";

export interface ResponsesDeps extends Pick<LanguageDeps, "generation" | "random"> {
  readonly tensors: Pick<TensorServing, "inference">;
}

export interface AskedModel {
  readonly kind: "language" | "tensors";
  readonly view: ModelView;
}

/** Pulled. @throws ServingError with Triton's texts */
export function modelResponses(
  deps: ResponsesDeps,
  request: InferRequest,
  { kind, view }: AskedModel,
  signal: AbortSignal,
): AsyncIterable<DecoupledResponse> {
  if (kind === "language") return languageResponses(deps, request, view, { streams: true }, signal);
  const { inference } = deps.tensors;
  return view.decoupled ? inference.responses(request, signal) : onlyResponse(inference.infer(request, signal));
}

async function* onlyResponse(response: Promise<DecoupledResponse>): AsyncGenerator<DecoupledResponse> {
  yield { ...(await response), isFinal: true };
}

/** Whether it only says that nothing follows. */
export function isBareEnd({ isFinal, outputs }: DecoupledResponse): boolean {
  return isFinal === true && outputs.length === 0;
}

/** The same answers. @throws what fails before the first of them: it has a status of its own */
export async function startedResponses(responses: AsyncIterable<DecoupledResponse>): Promise<AsyncIterable<DecoupledResponse>> {
  const {
    head: [first],
    events,
  } = await pullUntil(responses, () => true);
  if (first?.error === undefined) return events;
  await leave(events);
  throw first.error;
}
