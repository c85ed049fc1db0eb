/**
 * `POST …/infer` with `Accept: text/event-stream`: an event for each response, in the form of an ordinary answer, with
 * `triton_final_response` as over gRPC. The only way over HTTP to models that answer any number of times with tensors.
 */
import { ServingError } from "../../../core/errors.ts";
import { NO_PARAMETERS } from "../../../core/messages/parameter-value.ts";
import type { HttpAnswer, HttpRequest } from "../../http/route.ts";
import type { DecoupledResponse, InferResponse } from "../../serving/inference.ts";
import type { ModelView } from "../../serving/model-catalog.ts";
import { requestEncoding } from "../content-encoding.ts";
import { errorFrame } from "../error-frame.ts";
import { isLanguageModel } from "../generate/generate-route.ts";
import type { LanguageDeps } from "../generate/language-generate.ts";
import { languageView } from "../generate/language-view.ts";
import { isBareEnd, modelResponses, startedResponses } from "../generate/model-responses.ts";
import { modelPath } from "../model-path.ts";
import { invalid } from "../triton-error.ts";
import { encodeInferAnswer } from "./infer-answer.ts";
import { inferRequest, type ReadingDeps, readCall } from "./infer-call.ts";
import type { InferHead } from "./infer-head.ts";

export type InferEventsDeps = LanguageDeps & ReadingDeps;

const FINAL = "triton_final_response";
const NOWHERE = new Map();

export function wantsEvents(request: HttpRequest): boolean {
  return request.header("accept")?.toLowerCase().includes("text/event-stream") === true;
}

/** The status is the first response's: what fails before it is answered as it would be without a stream. @throws ServingError as `infer` */
export async function inferEvents(deps: InferEventsDeps, request: HttpRequest): Promise<HttpAnswer> {
  const { name, version } = modelPath(request);
  const coming = deps.tensors.demand?.ready(name, request.signal);
  if (coming !== undefined) await coming;
  const isLanguage = isLanguageModel(deps, name);
  const view = isLanguage ? languageView(deps.models.list(), name, version) : deps.tensors.catalog.view(name, version);
  const encoding = requestEncoding(request.header("content-encoding"));
  if (encoding === "unknown") throw invalid("Unsupported compression type");
  const call = await readCall({ deps, request, view }, encoding);
  checkJsonOnly(call.head);
  const asked = inferRequest(call, request);
  const responses = modelResponses(deps, asked, { kind: isLanguage ? "language" : "tensors", view }, request.signal);
  return { kind: "events", headers: {}, frames: frames(await startedResponses(responses), call.head, view) };
}

/** @throws ServingError INVALID_ARGUMENT for outputs that no event can carry */
function checkJsonOnly({ binaryOutput, outputs }: InferHead): void {
  const isJson = !binaryOutput && outputs.values().every(({ binary, shared }) => !binary && shared === undefined);
  if (!isJson) throw invalid("events carry JSON only: leave out 'binary_data', 'binary_data_output' and 'shared_memory_region'");
}

/** Ends with an event that has no outputs, where none was final already. What the request fails with is the last event. */
async function* frames(responses: AsyncIterable<DecoupledResponse>, head: InferHead, view: ModelView): AsyncGenerator<string> {
  const frame = (response: InferResponse, isFinal: boolean): string => {
    const parameters = new Map([...response.parameters, [FINAL, isFinal]]);
    const { body } = encodeInferAnswer({ ...response, parameters }, { head, view, shared: NOWHERE });
    return `data: ${body}\n\n`;
  };
  let isEnded = false;
  try {
    for await (const response of responses) {
      if (response.error !== undefined) yield errorFrame(response.error);
      else if (!isBareEnd(response)) yield frame(response, response.isFinal === true);
      isEnded = response.isFinal === true && !isBareEnd(response);
    }
    if (!isEnded) yield frame({ model: view.name, version: view.version, parameters: NO_PARAMETERS, outputs: [] }, true);
  } catch (thrown) {
    yield errorFrame(ServingError.from(thrown));
  }
}
