/** A language model as a decoupled model: a response for each piece of text. */
import { ServingError } from "../../core/errors.ts";
import { NO_PARAMETERS } from "../../core/messages/parameter-value.ts";
import { checkInferRequest } from "../../core/model/check-inputs.ts";
import { LANGUAGE_OUTPUTS } from "../../core/model/language-signature.ts";
import { joinBytesElements } from "../../core/tensor/tensor.ts";
import type { DecoupledResponse, InferRequest, InferResponse } from "../serving/inference.ts";
import type { ModelView } from "../serving/model-catalog.ts";
import type { TextEvent } from "../serving/text-generation.ts";
import type { LanguageDeps } from "./language-generate.ts";
import { languageCall } from "./language-request.ts";

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
    },
    signal,
  );
  yield* responsesOf(events, { inOnePiece: !stream });
}

async function* responsesOf(
  events: AsyncIterable<TextEvent>,
  { inOnePiece }: { readonly inOnePiece: boolean },
): AsyncGenerator<DecoupledResponse> {
  let named: { readonly model: string; readonly version: string } | undefined;
  const texts: string[] = [];
  let finished = false;
  for await (const event of events) {
    if (event.kind === "started") named = event;
    if (event.kind === "finished") finished = true;
    if (event.kind !== "delta" || named === undefined) continue;
    if (inOnePiece) texts.push(event.text);
    else if (event.text !== "") yield textResponse(named, event.text);
  }
  if (!finished || named === undefined) throw new ServingError("INTERNAL", "the generation ended early");
  if (inOnePiece) yield { ...textResponse(named, texts.join("")), isFinal: true };
}

function textResponse({ model, version }: { readonly model: string; readonly version: string }, text: string): InferResponse {
  const [{ name, datatype, shape }] = LANGUAGE_OUTPUTS;
  return {
    model,
    version,
    parameters: NO_PARAMETERS,
    outputs: [{ name, dtype: datatype, shape, data: joinBytesElements([Buffer.from(text)]) }],
  };
}
