/** A language model as a decoupled model: a response for each piece of text. */
import { ServingError } from "../../../core/errors.ts";
import { NO_PARAMETERS } from "../../../core/messages/parameter-value.ts";
import { checkInferRequest } from "../../../core/model/check-inputs.ts";
import { LANGUAGE_OUTPUTS } from "../../../core/model/language-signature.ts";
import { joinBytesElements } from "../../../core/tensor/tensor.ts";
import { leave, pullUntil } from "../../http/pull-until.ts";
import { EventIds, type StreamPlace, streamPlace } from "../../http/resumable-stream.ts";
import type { TextEvent } from "../../serving/generation/text-generation.ts";
import type { DecoupledResponse, InferRequest, InferResponse } from "../../serving/inference.ts";
import type { ModelView } from "../../serving/model-catalog.ts";
import type { LanguageDeps } from "./language-generate.ts";
import { languageCall } from "./language-request.ts";

/** Of a request: its stream may be left and taken up again. */
const RESUMABLE = "resumable";
/** Of a response of such a stream: where the client is then. */
const EVENT = "event_id";
/** Of a request: it goes on after this response. */
const LAST_EVENT = "last_event_id";
/** What tells such a stream from those of other APIs. */
const NOTE = "responses";

export type LanguageResponsesDeps = Pick<LanguageDeps, "generation" | "random">;

/**
 * Pieces as they come, or the whole text in one response, which is final: as the request's `stream` says.
 * @param otherwise what a request without `stream` gets
 * @throws ServingError INVALID_ARGUMENT for what the request says wrong; what ends the generation
 */
export async function* languageResponses(
  deps: LanguageResponsesDeps,
  request: InferRequest,
  view: ModelView,
  otherwise: { readonly streams: boolean },
  signal: AbortSignal,
): AsyncGenerator<DecoupledResponse> {
  const place = placeOf(request.parameters);
  if (place !== undefined) {
    yield* resumedResponses(deps, request, place, signal);
    return;
  }
  checkInferRequest(request, view);
  const { text, tokensMax, stop, sampling, stream = otherwise.streams } = languageCall(request);
  if (text === undefined) throw new ServingError("INTERNAL", "a language model's request was checked, and has no text");
  const events = deps.generation.generate(
    {
      model: request.model,
      tenant: request.tenant,
      budget: request.budget,
      explanation: request.explanation,
      prompt: { kind: "text", text },
      choices: 1,
      tokensMax,
      stop,
      sampling: { ...sampling, seed: sampling.seed ?? deps.random.seed() },
      deadlineMs: request.deadlineMs,
      traceparent: request.traceparent,
      ...(stream && asksResumable(request.parameters) && { resumable: NOTE }),
    },
    signal,
  );
  yield* responsesOf(events, { inOnePiece: !stream });
}

/** A client comes back for the rest: the request's inputs are not looked at. */
async function* resumedResponses(
  { generation }: LanguageResponsesDeps,
  { tenant, budget, explanation, traceparent }: InferRequest,
  place: StreamPlace,
  signal: AbortSignal,
): AsyncGenerator<DecoupledResponse> {
  const opened = generation.resume({ ...place, tenant, budget, explanation, traceparent }, signal);
  const { head, events } = await pullUntil(opened, ({ kind }) => kind === "started");
  const [started] = head;
  if (started?.kind !== "started" || started.resumable !== NOTE) {
    await leave(events);
    throw new ServingError("INVALID_ARGUMENT", "the stream is none of inference responses: resume it over the API that began it");
  }
  yield* responsesOf(events, { inOnePiece: false, place });
}

/** @throws ServingError INVALID_ARGUMENT for a value that is none */
function asksResumable(parameters: InferRequest["parameters"]): boolean {
  const value = parameters.get(RESUMABLE) ?? false;
  if (typeof value === "boolean") return value;
  throw new ServingError(
    "INVALID_ARGUMENT",
    `parameter '${RESUMABLE}' is ${JSON.stringify(String(value).slice(0, 40))}: it may be true or false`,
  );
}

/** undefined: the client has not come back. @throws ServingError INVALID_ARGUMENT */
function placeOf(parameters: InferRequest["parameters"]): StreamPlace | undefined {
  const value = parameters.get(LAST_EVENT);
  return value === undefined ? undefined : streamPlace(`parameter '${LAST_EVENT}'`, String(value));
}

async function* responsesOf(
  events: AsyncIterable<TextEvent>,
  { inOnePiece, place }: { readonly inOnePiece: boolean; readonly place?: StreamPlace },
): AsyncGenerator<DecoupledResponse> {
  let named: { readonly model: string; readonly version: string } | undefined;
  const texts: string[] = [];
  let finished = false;
  let ids: EventIds | undefined;
  for await (const event of events) {
    if (event.kind === "started") {
      named = event;
      if (event.resumable !== undefined) ids = new EventIds(place ?? { generation: event.generation, told: undefined });
    }
    const id = ids?.after(event);
    if (event.kind === "finished") finished = true;
    if (event.kind !== "delta" || named === undefined) continue;
    if (inOnePiece) texts.push(event.text);
    else if (event.text !== "" && event.told !== true) yield textResponse(named, event.text, id);
  }
  if (!finished || named === undefined) throw new ServingError("INTERNAL", "the generation ended early");
  if (inOnePiece) yield { ...textResponse(named, texts.join("")), isFinal: true };
}

function textResponse({ model, version }: { readonly model: string; readonly version: string }, text: string, id?: string): InferResponse {
  const [{ name, datatype, shape }] = LANGUAGE_OUTPUTS;
  return {
    model,
    version,
    parameters: id === undefined ? NO_PARAMETERS : new Map([[EVENT, id]]),
    outputs: [{ name, dtype: datatype, shape, data: joinBytesElements([Buffer.from(text)]) }],
  };
}
