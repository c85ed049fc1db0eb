/** Inferences over HTTP: one answer, or as many as the model gives. */
import { jsonText } from "../../core/model/json-value.ts";
import type { CallOptions, Compression } from "../client.ts";
import { ClientError } from "../client-error.ts";
import type { InferRequest } from "../infer-request.ts";
import type { InferResult } from "../infer-result.ts";
import { parseJson } from "../json-exact.ts";
import { compressed } from "./compress.ts";
import type { Exchange, HttpCall } from "./exchange.ts";
import { inferResult, parseInferAnswer } from "./infer-answer.ts";
import { inferBody } from "./infer-body.ts";
import { modelPath } from "./paths.ts";
import { serverSentEvents } from "./server-sent-events.ts";

const HEADER_LENGTH = "inference-header-content-length";
const NO_BLOBS = new Uint8Array();

interface BodyCoding {
  readonly compression?: Compression;
}

export async function inferOnce(
  exchange: Exchange,
  coding: BodyCoding,
  request: InferRequest,
  options?: CallOptions,
): Promise<InferResult> {
  const answer = await exchange.success(await inferCall(request, coding, { binaryOutputs: true }), options);
  return parseInferAnswer(answer.bytes, answer.headers.get(HEADER_LENGTH));
}

/** Outputs come in the events' JSON: events are text. The event that only ends the answers is none of them, as over gRPC. */
export async function* inferStream(
  exchange: Exchange,
  coding: BodyCoding,
  request: InferRequest,
  options?: CallOptions,
): AsyncGenerator<InferResult> {
  const call = await inferCall(request, coding, { binaryOutputs: false });
  yield* exchange.stream({ ...call, headers: { ...call.headers, accept: "text/event-stream, application/json" } }, options, inferResults);
}

async function* inferResults(headers: Headers, pieces: AsyncIterable<Uint8Array<ArrayBuffer>>): AsyncGenerator<InferResult> {
  if (isEvents(headers)) {
    for await (const json of eventObjects(pieces)) {
      const result = inferResult(json, NO_BLOBS);
      if (result.outputs.length > 0 || !result.isFinal) yield result;
    }
  } else {
    const parts: Uint8Array<ArrayBuffer>[] = [];
    for await (const piece of pieces) parts.push(piece);
    yield parseInferAnswer(new Uint8Array(await new Blob(parts).arrayBuffer()), headers.get(HEADER_LENGTH));
  }
}

/** The JSON of each event. @throws as `eventObject` */
async function* eventObjects(pieces: AsyncIterable<Uint8Array>): AsyncGenerator<unknown> {
  for await (const data of serverSentEvents(pieces)) yield eventObject(data);
}

/** @throws ClientError for an event that tells of an error: it has no code, so UNKNOWN */
export function eventObject(data: string): unknown {
  const json = parseJson(data);
  const error = jsonText(json, "error");
  if (error !== undefined) throw new ClientError("UNKNOWN", error);
  return json;
}

export function isEvents(headers: Headers): boolean {
  return headers.get("content-type")?.startsWith("text/event-stream") ?? false;
}

async function inferCall(
  request: InferRequest,
  { compression }: BodyCoding,
  outputs: { readonly binaryOutputs: boolean },
): Promise<HttpCall> {
  const { bytes, jsonBytes } = inferBody(request, outputs);
  const isAllJson = jsonBytes === bytes.byteLength;
  return {
    method: "POST",
    path: modelPath(request.model, request.version, "/infer"),
    headers: {
      "content-type": isAllJson ? "application/json" : "application/octet-stream",
      ...(!isAllJson && { [HEADER_LENGTH]: String(jsonBytes) }),
      ...(compression !== undefined && { "content-encoding": compression }),
    },
    body: compression === undefined ? bytes : await compressed(bytes, compression),
  };
}
