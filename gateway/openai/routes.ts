/** The OpenAI door: its routes as data. */
import type { Clock } from "../../core/clock.ts";
import { ServingError } from "../../core/errors.ts";
import type { Random } from "../../core/random.ts";
import { INFERS, reads } from "../access/access.ts";
import { jsonAnswer } from "../http/answer.ts";
import type { BodyParser, BodyParsers } from "../http/body-parser.ts";
import { leave, pullUntil } from "../http/pull-until.ts";
import { asksResumable, EventIds, lastEvent, resumableHeaders, type StreamPlace } from "../http/resumable-stream.ts";
import type { HttpAnswer, HttpRequest, Route } from "../http/route.ts";
import { traceparentOf } from "../http/traceparent.ts";
import type { ModelDirectory, TextEvent, TextGeneration } from "../serving/generation/text-generation.ts";
import { type AnswerHead, answerHead, type Started, startedOf } from "./answer-head.ts";
import { ChatChunks, wholeChatAnswer } from "./chat-answer.ts";
import { chatParser } from "./chat-request.ts";
import { type ChunkEncoder, chunkFrames } from "./chunk-frames.ts";
import { CompletionChunks, wholeCompletionAnswer } from "./completion-answer.ts";
import { completionParser } from "./completion-request.ts";
import { openaiErrors } from "./errors.ts";
import type { GenerationCall } from "./generation-call.ts";
import { modelAnswer, modelList } from "./models-answer.ts";
import { openGeneration } from "./opened-generation.ts";
import { readShape, type StreamEndpoint, type StreamShape, shapeText, streamShape } from "./stream-shape.ts";

export interface OpenAiDeps {
  readonly generation: TextGeneration;
  readonly models: ModelDirectory;
  readonly bodies: BodyParsers;
  readonly clock: Clock;
  /** For seeds that the client leaves open. */
  readonly random: Random;
  /** Changes when the same request may get another answer: weights, software, arithmetic. */
  readonly systemFingerprint: string;
}

/** In what the two endpoints differ. */
interface Endpoint {
  readonly name: StreamEndpoint;
  readonly parser: BodyParser<GenerationCall>;
  readonly idPrefix: string;
  readonly object: { readonly whole: string; readonly chunk: string };
  readonly whole: (head: AnswerHead, started: Started, call: GenerationCall, events: AsyncIterable<TextEvent>) => Promise<unknown>;
  readonly chunks: (head: AnswerHead, started: Started, shape: StreamShape) => ChunkEncoder;
  /** Names the fields as this endpoint does. */
  readonly toError: (thrown: unknown) => ServingError;
}

const CHAT: Endpoint = {
  name: "chat",
  parser: chatParser,
  idPrefix: "chatcmpl",
  object: { whole: "chat.completion", chunk: "chat.completion.chunk" },
  whole: wholeChatAnswer,
  chunks: (...stream) => new ChatChunks(...stream),
  toError: chatError,
};

const COMPLETION: Endpoint = {
  name: "completion",
  parser: completionParser,
  idPrefix: "cmpl",
  object: { whole: "text_completion", chunk: "text_completion" },
  whole: wholeCompletionAnswer,
  chunks: (...stream) => new CompletionChunks(...stream),
  toError: ServingError.from,
};

const ENDPOINTS: Readonly<Record<StreamEndpoint, Endpoint>> = { chat: CHAT, completion: COMPLETION };

export function openaiRoutes(deps: OpenAiDeps): readonly Route[] {
  const generate = (path: string, endpoint: Endpoint): Route => ({
    method: "POST",
    path,
    ...INFERS,
    body: "bytes",
    errors: openaiErrors,
    handle: async (request) => {
      try {
        return lastEvent(request) === undefined ? await answerGeneration(deps, endpoint, request) : await resumeStream(deps, request);
      } catch (thrown) {
        throw endpoint.toError(thrown);
      }
    },
  });
  const read = (path: string, answer: (request: HttpRequest) => unknown): Route => ({
    method: "GET",
    path,
    ...reads("metadata"),
    body: "none",
    errors: openaiErrors,
    handle: (request) => jsonAnswer(200, answer(request)),
  });
  return [
    generate("/v1/chat/completions", CHAT),
    generate("/v1/completions", COMPLETION),
    {
      method: "GET",
      path: "/v1/streams/{generation}",
      ...INFERS,
      body: "none",
      errors: openaiErrors,
      handle: (request) => resumeStream(deps, request, request.param("generation")),
    },
    read("/v1/models", () => modelList(deps.models.list())),
    read("/v1/models/{model}", (request) => modelAnswer(deps.models.list(), request.param("model"))),
  ];
}

async function answerGeneration(deps: OpenAiDeps, endpoint: Endpoint, request: HttpRequest): Promise<HttpAnswer> {
  refuseEncoding(request.header("content-encoding"));
  const call = await deps.bodies.parse(endpoint.parser, request.body);
  const { tenant, budget, explanation, signal } = request;
  const shape = streamShape(call, endpoint.name, Math.floor(deps.clock.wallClockMs() / 1000));
  const resumable = call.stream && asksResumable(request) ? shapeText(shape) : undefined;
  const traceparent = traceparentOf(request);
  const opened = openGeneration(deps.generation, call, deps.random, { tenant, budget, explanation, signal, traceparent, resumable });
  const stream = await startedStream(opened);
  if (call.stream) return streamAnswer(deps, stream, shape, undefined);
  const { started, events } = stream;
  const head = headOf(deps, endpoint.object.whole, shape, started);
  return jsonAnswer(200, await endpoint.whole(head, started, call, events), { "x-request-id": head.id });
}

/** The client comes back for the rest of a stream: what its body may hold once more is not looked at. */
async function resumeStream(deps: OpenAiDeps, request: HttpRequest, generation?: string): Promise<HttpAnswer> {
  const place = lastEvent(request) ?? { generation: generation ?? "", told: undefined };
  if (generation !== undefined && generation !== place.generation) {
    throw new ServingError("INVALID_ARGUMENT", `Last-Event-ID is of another stream than ${JSON.stringify(generation.slice(0, 80))}`);
  }
  const { tenant, budget, explanation, signal } = request;
  const asked = { ...place, tenant, budget, explanation, traceparent: traceparentOf(request) };
  const stream = await startedStream(deps.generation.resume(asked, signal));
  const shape = readShape(stream.started.resumable);
  if (shape !== undefined) return streamAnswer(deps, stream, shape, place);
  await leave(stream.events);
  throw new ServingError("INVALID_ARGUMENT", "the stream is none of OpenAI's API: repeat the request that began it, with Last-Event-ID");
}

interface StartedStream {
  readonly started: Started;
  /** All of them, from `started` on. */
  readonly events: AsyncIterable<TextEvent>;
}

async function startedStream(opened: AsyncIterable<TextEvent>): Promise<StartedStream> {
  const { head, events } = await pullUntil(opened, ({ kind }) => kind === "started");
  return { started: startedOf(head[0]), events };
}

function streamAnswer(
  deps: OpenAiDeps,
  { started, events }: StartedStream,
  shape: StreamShape,
  place: StreamPlace | undefined,
): HttpAnswer {
  const endpoint = ENDPOINTS[shape.endpoint];
  const head = headOf(deps, endpoint.object.chunk, shape, started);
  const { generation } = started;
  const isResumable = started.resumable !== undefined;
  const ids = isResumable ? new EventIds(place ?? { generation, told: undefined }) : undefined;
  return {
    kind: "events",
    headers: { "x-request-id": head.id, ...(isResumable && resumableHeaders(generation)) },
    frames: chunkFrames(events, endpoint.chunks(head, started, shape), { toError: endpoint.toError, ids }),
  };
}

function headOf(
  { systemFingerprint }: OpenAiDeps,
  object: string,
  { endpoint, createdSeconds }: StreamShape,
  started: Started,
): AnswerHead {
  return answerHead(started, { idPrefix: ENDPOINTS[endpoint].idPrefix, object, createdSeconds, systemFingerprint });
}

/** The serving core speaks of the prompt; in a chat that is the messages. */
function chatError(thrown: unknown): ServingError {
  const error = ServingError.from(thrown);
  if (error.param !== "prompt") return error;
  return new ServingError(error.code, error.message, {
    cause: error,
    param: "messages",
    ...(error.reason !== undefined && { reason: error.reason }),
  });
}

function refuseEncoding(encoding: string | undefined): void {
  if (encoding === undefined || encoding === "identity") return;
  throw new ServingError("INVALID_ARGUMENT", "compressed request bodies are not supported: send it without Content-Encoding");
}
