/** The generate extension: a model's inputs and outputs as the members of a flat JSON object. */
import { type Clock, sleep } from "../../core/clock.ts";
import { jsonObject, jsonText } from "../../core/model/json-value.ts";
import type { CallOptions } from "../client.ts";
import { ClientError, unreadable } from "../client-error.ts";
import type { Decode, Exchange, HttpCall } from "./exchange.ts";
import { eventObject, isEvents } from "./infer.ts";
import { modelPath } from "./paths.ts";
import { numberedEvents } from "./server-sent-events.ts";

export type GenerateValue = string | number | boolean | readonly (string | number | boolean)[];

/** Inputs and parameters by name, such as `text_input` and `max_tokens`. */
export interface GenerateRequest {
  readonly model: string;
  readonly version?: string;
  readonly id?: string;
  readonly inputs: Readonly<Record<string, GenerateValue>>;
  readonly parameters?: Readonly<Record<string, string | number | boolean>>;
}

/** Outputs and parameters by name: such as `text_output`; one element is bare, several are a list. */
export interface GenerateAnswer {
  readonly model_name: string;
  readonly model_version: string;
  readonly id?: string;
  readonly [name: string]: unknown;
}

/** @throws ClientError for the error that Triton answers with status 200 when a model does not answer exactly once */
export async function generateOnce(exchange: Exchange, request: GenerateRequest, options?: CallOptions): Promise<GenerateAnswer> {
  return generateAnswer(await exchange.json(generateCall(request, "generate"), options));
}

export interface GenerateStreamOptions extends CallOptions {
  /** A stream whose connection is lost is taken up after its last piece, for 30 s after it, where the server can do that: Nereid can. */
  readonly resumable?: boolean;
}

const ASK_AGAIN_MS = 200;
const AWAY_MS_MAX = 30_000;
const never = new AbortController().signal;

export async function* generateStream(
  exchange: Exchange,
  request: GenerateRequest,
  { resumable = false, ...options }: GenerateStreamOptions,
  clock: Clock,
): AsyncGenerator<GenerateAnswer> {
  const call = generateCall(request, "generate_stream");
  let lastId: string | undefined;
  let heardMs = clock.now();
  const decode: Decode<GenerateAnswer> = async function* (headers, pieces) {
    if (!isEvents(headers)) throw unreadable("it is no stream of events");
    lastId ??= headers.get("x-nereid-generation") ?? undefined;
    for await (const { id, data } of numberedEvents(pieces)) {
      lastId = id ?? lastId;
      heardMs = clock.now();
      yield generateAnswer(eventObject(data));
    }
  };
  for (;;) {
    const headers = {
      ...call.headers,
      ...(resumable && { "x-nereid-resumable": "true" }),
      ...(lastId !== undefined && { "last-event-id": lastId }),
    };
    try {
      yield* exchange.stream({ ...call, headers }, options, decode);
      return;
    } catch (thrown) {
      const isAway = thrown instanceof ClientError && thrown.code === "UNAVAILABLE";
      if (!isAway || lastId === undefined || clock.now() - heardMs > AWAY_MS_MAX) throw thrown;
    }
    await sleep(clock, ASK_AGAIN_MS, options.signal ?? never);
  }
}

function generateCall({ model, version, id, inputs, parameters }: GenerateRequest, act: "generate" | "generate_stream"): HttpCall {
  const body = { ...(id !== undefined && { id }), ...inputs, ...(parameters !== undefined && { parameters }) };
  return {
    method: "POST",
    path: modelPath(model, version, `/${act}`),
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  };
}

function generateAnswer(json: unknown): GenerateAnswer {
  const error = jsonText(json, "error");
  if (error !== undefined) throw new ClientError("UNKNOWN", error);
  const [model_name, model_version, id] = [jsonText(json, "model_name"), jsonText(json, "model_version"), jsonText(json, "id")];
  if (model_name === undefined || model_version === undefined) throw unreadable("an answer without a model's name and version");
  return { ...jsonObject({ json }, "json"), model_name, model_version, ...(id !== undefined && { id }) };
}
