/** The generate extension for language models: text in, text out, at once or as it comes. */
import { ServingError } from "../../../core/errors.ts";
import { missingInputText } from "../../../core/model/language-signature.ts";
import type { Random } from "../../../core/random.ts";
import { jsonAnswer } from "../../http/answer.ts";
import type { BodyParsers } from "../../http/body-parser.ts";
import { leave, pullUntil } from "../../http/pull-until.ts";
import { asksResumable, EventIds, lastEvent, resumableHeaders, type StreamPlace } from "../../http/resumable-stream.ts";
import type { HttpAnswer, HttpRequest } from "../../http/route.ts";
import { traceparentOf } from "../../http/traceparent.ts";
import type { ModelDirectory, TextEvent, TextGeneration, TextRequest } from "../../serving/generation/text-generation.ts";
import { availableVersions } from "../model-lookup.ts";
import { modelPath } from "../model-path.ts";
import { type GenerateAnswer, type GenerateHead, generateFrames, wholeText } from "./generate-answer.ts";
import { type GenerateCall, generateParser } from "./generate-request.ts";

export interface LanguageDeps {
  readonly generation: TextGeneration;
  readonly models: ModelDirectory;
  readonly bodies: BodyParsers;
  /** For seeds that the client leaves open. */
  readonly random: Random;
}

/** The whole text at once. `stream: true` changes nothing here, where Triton would answer 200 with an error. */
export async function generateText(deps: LanguageDeps, request: HttpRequest): Promise<HttpAnswer> {
  const { call, events } = await startGenerate(deps, request, { isStream: false });
  const {
    head: [first],
    events: replayed,
  } = await pullUntil(events, ({ kind }) => kind === "started");
  const text = await wholeText(replayed);
  return jsonAnswer(200, { ...headOf(call.id, first), text_output: text } satisfies GenerateAnswer);
}

/** The status is fixed by the first text: what fails before it keeps a status of its own. */
export async function streamText(deps: LanguageDeps, request: HttpRequest): Promise<HttpAnswer> {
  const place = lastEvent(request);
  if (place !== undefined) return resumeText(deps, request, place);
  const { call, events } = await startGenerate(deps, request, { isStream: true });
  const { head, events: replayed } = await pullUntil(events, ({ kind }) => kind !== "started");
  const { named, ids, headers } = streamOf(head[0], call.id, undefined);
  return { kind: "events", headers, frames: generateFrames(named, call.stream === false ? inOnePiece(replayed) : replayed, ids) };
}

/** A client comes back for the rest: the request's body is not looked at. */
async function resumeText(deps: LanguageDeps, request: HttpRequest, place: StreamPlace): Promise<HttpAnswer> {
  const { tenant, explanation, signal } = request;
  const opened = deps.generation.resume({ ...place, tenant, explanation, traceparent: traceparentOf(request) }, signal);
  const { head, events } = await pullUntil(opened, ({ kind }) => kind === "started");
  const [started] = head;
  const note = NOTE.exec((started?.kind === "started" && started.resumable) || "");
  if (note === null) {
    await leave(events);
    throw new ServingError("INVALID_ARGUMENT", "the stream is none of generate_stream: resume it with GET /v1/streams/ID");
  }
  const { named, ids, headers } = streamOf(started, note[1], place);
  return { kind: "events", headers, frames: generateFrames(named, events, ids) };
}

/** What a stream of this door keeps of its request: the id that it gave. */
const NOTE = /^generate(?: (.*))?$/s;
const noteOf = ({ id }: GenerateCall): string => (id === undefined ? "generate" : `generate ${id}`);

function streamOf(started: TextEvent | undefined, id: string | undefined, place: StreamPlace | undefined) {
  const named = headOf(id, started);
  if (started?.kind !== "started" || started.resumable === undefined) return { named, ids: undefined, headers: {} };
  const { generation } = started;
  return { named, ids: new EventIds(place ?? { generation, told: undefined }), headers: resumableHeaders(generation) };
}

async function startGenerate(deps: LanguageDeps, request: HttpRequest, { isStream }: { readonly isStream: boolean }) {
  const { name, version } = modelPath(request);
  availableVersions(deps.models.list(), name, version);
  const call = await deps.bodies.parse(generateParser, request.body);
  const isResumable = isStream && call.stream !== false && asksResumable(request);
  const asked = { ...textRequest(deps, request, name, call), ...(isResumable && { resumable: noteOf(call) }) };
  return { call, events: deps.generation.generate(asked, request.signal) };
}

function textRequest(deps: LanguageDeps, request: HttpRequest, model: string, call: GenerateCall): TextRequest {
  if (call.text === undefined) throw new ServingError("INVALID_ARGUMENT", missingInputText(model, call.given));
  return {
    model,
    tenant: request.tenant,
    budget: request.budget,
    explanation: request.explanation,
    prompt: { kind: "text", text: call.text },
    choices: 1,
    tokensMax: call.tokensMax,
    stop: call.stop,
    sampling: { ...call.sampling, seed: call.sampling.seed ?? deps.random.seed() },
    deadlineMs: undefined,
    traceparent: traceparentOf(request),
  };
}

function headOf(id: string | undefined, first: TextEvent | undefined): GenerateHead {
  if (first?.kind !== "started") throw new ServingError("INTERNAL", "the generation ended early");
  return { ...(id !== undefined && { id }), model_name: first.model, model_version: first.version };
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
