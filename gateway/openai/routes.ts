/** The OpenAI door: its routes as data. */
import type { Clock } from "../../core/clock.ts";
import { ServingError } from "../../core/errors.ts";
import type { Random } from "../../core/random.ts";
import { INFERS, reads } from "../access/access.ts";
import { jsonAnswer } from "../http/answer.ts";
import type { BodyParser, BodyParsers } from "../http/body-parser.ts";
import { pullUntil } from "../http/pull-until.ts";
import type { HttpAnswer, HttpRequest, Route } from "../http/route.ts";
import { traceparentOf } from "../http/traceparent.ts";
import type { ModelDirectory, TextEvent, TextGeneration } from "../serving/text-generation.ts";
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
  readonly parser: BodyParser<GenerationCall>;
  readonly idPrefix: string;
  readonly object: { readonly whole: string; readonly chunk: string };
  readonly whole: (head: AnswerHead, started: Started, call: GenerationCall, events: AsyncIterable<TextEvent>) => Promise<unknown>;
  readonly chunks: (head: AnswerHead, started: Started, call: GenerationCall) => ChunkEncoder;
  /** Names the fields as this endpoint does. */
  readonly toError: (thrown: unknown) => ServingError;
}

const CHAT: Endpoint = {
  parser: chatParser,
  idPrefix: "chatcmpl",
  object: { whole: "chat.completion", chunk: "chat.completion.chunk" },
  whole: wholeChatAnswer,
  chunks: (...stream) => new ChatChunks(...stream),
  toError: chatError,
};

const COMPLETION: Endpoint = {
  parser: completionParser,
  idPrefix: "cmpl",
  object: { whole: "text_completion", chunk: "text_completion" },
  whole: wholeCompletionAnswer,
  chunks: (...stream) => new CompletionChunks(...stream),
  toError: ServingError.from,
};

export function openaiRoutes(deps: OpenAiDeps): readonly Route[] {
  const generate = (path: string, endpoint: Endpoint): Route => ({
    method: "POST",
    path,
    ...INFERS,
    body: "bytes",
    errors: openaiErrors,
    handle: async (request) => {
      try {
        return await answerGeneration(deps, endpoint, request);
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
    read("/v1/models", () => modelList(deps.models.list())),
    read("/v1/models/{model}", (request) => modelAnswer(deps.models.list(), request.param("model"))),
  ];
}

async function answerGeneration(deps: OpenAiDeps, endpoint: Endpoint, request: HttpRequest): Promise<HttpAnswer> {
  refuseEncoding(request.header("content-encoding"));
  const call = await deps.bodies.parse(endpoint.parser, request.body);
  const { tenant, signal } = request;
  const opened = openGeneration(deps.generation, call, deps.random, { tenant, signal, traceparent: traceparentOf(request) });
  const {
    head: [first],
    events,
  } = await pullUntil(opened, ({ kind }) => kind === "started");
  const started = startedOf(first);
  const head = answerHead(started, {
    idPrefix: endpoint.idPrefix,
    object: call.stream ? endpoint.object.chunk : endpoint.object.whole,
    createdSeconds: Math.floor(deps.clock.wallClockMs() / 1000),
    systemFingerprint: deps.systemFingerprint,
  });
  const headers = { "x-request-id": head.id };
  if (!call.stream) return jsonAnswer(200, await endpoint.whole(head, started, call, events), headers);
  return { kind: "events", headers, frames: chunkFrames(events, endpoint.chunks(head, started, call), endpoint.toError) };
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
