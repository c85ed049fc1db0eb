/** The KServe door with Triton's generate extension: its routes as data. */
import { ServingError } from "../../core/errors.ts";
import type { Random } from "../../core/random.ts";
import { emptyAnswer, jsonAnswer } from "../http/answer.ts";
import type { BodyParsers } from "../http/body-parser.ts";
import { pullUntil } from "../http/pull-until.ts";
import { type AccessClass, BODY_BYTES_MAX, type HttpAnswer, type HttpRequest, NO_BODY, type Route } from "../http/route.ts";
import { traceparentOf } from "../http/traceparent.ts";
import type { ModelDirectory, TextEvent, TextGeneration, TextRequest } from "../serving/text-generation.ts";
import { tritonError, tritonErrors } from "./errors.ts";
import { type GenerateAnswer, type GenerateHead, generateFrames, wholeText } from "./generate-answer.ts";
import { type GenerateCall, generateParser } from "./generate-request.ts";
import { missingInputText } from "./language-signature.ts";
import { modelMetadata, type ServerIdentity, serverMetadata } from "./metadata.ts";
import { availableVersions, isModelReady, isServerReady } from "./model-lookup.ts";

export interface KserveDeps {
  readonly generation: TextGeneration;
  readonly models: ModelDirectory;
  readonly bodies: BodyParsers;
  /** For seeds that the client leaves open. */
  readonly random: Random;
  readonly identity: ServerIdentity;
}

type Handler = (request: HttpRequest) => HttpAnswer | Promise<HttpAnswer>;

export function kserveRoutes(deps: KserveDeps): readonly Route[] {
  const models = () => deps.models.list();
  return [
    get("/v2", "model-read", () => jsonAnswer(200, serverMetadata(deps.identity))),
    get("/v2/health/live", "public", ({ stopping }) => health(stopping, true)),
    get("/v2/health/ready", "public", ({ stopping }) => health(stopping, isServerReady(models()))),
    ...ofModel("", (path) =>
      get(path, "model-read", (request) => {
        const { name, version } = modelOf(request);
        return jsonAnswer(200, modelMetadata(name, availableVersions(models(), name, version)));
      }),
    ),
    ...ofModel("/ready", (path) =>
      get(path, "model-read", (request) => {
        const { name, version } = modelOf(request);
        return isModelReady(models(), name, version) ? emptyAnswer(200) : tritonError(400, "Model version not ready");
      }),
    ),
    ...ofModel("/generate", (path) => post(path, (request) => generate(deps, request))),
    ...ofModel("/generate_stream", (path) => post(path, (request) => generateStream(deps, request))),
  ];
}

function get(path: string, access: AccessClass, handle: Handler): Route {
  return { method: "GET", path, access, body: NO_BODY, errors: tritonErrors, handle };
}

function post(path: string, handle: Handler): Route {
  const body = { kind: "bytes", bytesMax: BODY_BYTES_MAX } as const;
  return { method: "POST", path, access: "inference", body, errors: tritonErrors, handle };
}

/** With and without a version in the path. */
function ofModel(rest: string, route: (path: string) => Route): readonly Route[] {
  return [route(`/v2/models/{model}${rest}`), route(`/v2/models/{model}/versions/{version}${rest}`)];
}

function health(stopping: boolean, well: boolean): HttpAnswer {
  return stopping ? tritonError(503, "Server exiting") : emptyAnswer(well ? 200 : 400);
}

/** @throws ServingError NOT_FOUND for a version that is no number: in Triton such a path does not exist. */
function modelOf(request: HttpRequest): { readonly name: string; readonly version: string | undefined } {
  const version = request.param("version");
  if (version !== "" && !/^\d+$/.test(version)) throw new ServingError("NOT_FOUND", "Not Found");
  return { name: request.param("model"), version: version === "" ? undefined : version };
}

/** The whole text at once. `stream: true` changes nothing here, where Triton would answer 200 with an error. */
async function generate(deps: KserveDeps, request: HttpRequest): Promise<HttpAnswer> {
  const { call, events } = await startGenerate(deps, request);
  const {
    head: [first],
    events: replayed,
  } = await pullUntil(events, ({ kind }) => kind === "started");
  const text = await wholeText(replayed);
  return jsonAnswer(200, { ...headOf(call, first), text_output: text } satisfies GenerateAnswer);
}

/** The status is fixed by the first text: what fails before it keeps a status of its own. */
async function generateStream(deps: KserveDeps, request: HttpRequest): Promise<HttpAnswer> {
  const { call, events } = await startGenerate(deps, request);
  const { head, events: replayed } = await pullUntil(events, ({ kind }) => kind !== "started");
  const named = headOf(call, head[0]);
  return { kind: "events", headers: {}, frames: generateFrames(named, call.stream === false ? inOnePiece(replayed) : replayed) };
}

async function startGenerate(deps: KserveDeps, request: HttpRequest) {
  const encoding = request.header("content-encoding") ?? "identity";
  if (encoding !== "identity") throw new ServingError("INVALID_ARGUMENT", "Unsupported content-encoding, only 'identity' is supported.");
  const { name, version } = modelOf(request);
  availableVersions(deps.models.list(), name, version);
  const call = await deps.bodies.parse(generateParser, request.body);
  return { call, events: deps.generation.generate(textRequest(deps, request, name, call), request.signal) };
}

function textRequest(deps: KserveDeps, request: HttpRequest, model: string, call: GenerateCall): TextRequest {
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
