/** The generate extension for language models: text in, text out, at once or as it comes. */
import { ServingError } from "../../core/errors.ts";
import type { Random } from "../../core/random.ts";
import { jsonAnswer } from "../http/answer.ts";
import type { BodyParsers } from "../http/body-parser.ts";
import { pullUntil } from "../http/pull-until.ts";
import type { HttpAnswer, HttpRequest } from "../http/route.ts";
import { traceparentOf } from "../http/traceparent.ts";
import type { ModelDirectory, TextEvent, TextGeneration, TextRequest } from "../serving/text-generation.ts";
import { type GenerateAnswer, type GenerateHead, generateFrames, wholeText } from "./generate-answer.ts";
import { type GenerateCall, generateParser } from "./generate-request.ts";
import { missingInputText } from "./language-signature.ts";
import { availableVersions } from "./model-lookup.ts";
import { modelPath } from "./model-path.ts";

export interface LanguageDeps {
  readonly generation: TextGeneration;
  readonly models: ModelDirectory;
  readonly bodies: BodyParsers;
  /** For seeds that the client leaves open. */
  readonly random: Random;
}

/** The whole text at once. `stream: true` changes nothing here, where Triton would answer 200 with an error. */
export async function generateText(deps: LanguageDeps, request: HttpRequest): Promise<HttpAnswer> {
  const { call, events } = await startGenerate(deps, request);
  const {
    head: [first],
    events: replayed,
  } = await pullUntil(events, ({ kind }) => kind === "started");
  const text = await wholeText(replayed);
  return jsonAnswer(200, { ...headOf(call, first), text_output: text } satisfies GenerateAnswer);
}

/** The status is fixed by the first text: what fails before it keeps a status of its own. */
export async function streamText(deps: LanguageDeps, request: HttpRequest): Promise<HttpAnswer> {
  const { call, events } = await startGenerate(deps, request);
  const { head, events: replayed } = await pullUntil(events, ({ kind }) => kind !== "started");
  const named = headOf(call, head[0]);
  return { kind: "events", headers: {}, frames: generateFrames(named, call.stream === false ? inOnePiece(replayed) : replayed) };
}

async function startGenerate(deps: LanguageDeps, request: HttpRequest) {
  const { name, version } = modelPath(request);
  availableVersions(deps.models.list(), name, version);
  const call = await deps.bodies.parse(generateParser, request.body);
  return { call, events: deps.generation.generate(textRequest(deps, request, name, call), request.signal) };
}

function textRequest(deps: LanguageDeps, request: HttpRequest, model: string, call: GenerateCall): TextRequest {
  if (call.text === undefined) throw new ServingError("INVALID_ARGUMENT", missingInputText(model, call.given));
  return {
    model,
    tenant: request.tenant,
    prompt: { kind: "text", text: call.text },
    choices: 1,
    tokensMax: call.tokensMax,
    stop: call.stop,
    sampling: { ...call.sampling, seed: call.sampling.seed ?? deps.random.seed() },
    deadlineMs: undefined,
    traceparent: traceparentOf(request),
  };
}

function headOf(call: GenerateCall, first: TextEvent | undefined): GenerateHead {
  if (first?.kind !== "started") throw new ServingError("INTERNAL", "the generation ended early");
  return { ...(call.id !== undefined && { id: call.id }), model_name: first.model, model_version: first.version };
}

/** `stream: false`: one response with the whole text. */
async function* inOnePiece(events: AsyncIterable<TextEvent>): AsyncGenerator<TextEvent> {
  let text = "";
  for await (const event of events) {
    if (event.kind === "delta") text += event.text;
    if (event.kind === "finished") yield { kind: "delta", choice: 0, text, tokens: [], position: 0 };
    if (event.kind === "finished") yield event;
  }
}
