/** `POST …/generate` and `…/generate_stream`: by what the model is, over text or over tensors. */
import type { BodyParser } from "../../http/body-parser.ts";
import type { HttpAnswer, HttpRequest } from "../../http/route.ts";
import { traceparentOf } from "../../http/traceparent.ts";
import { requestEncoding } from "../content-encoding.ts";
import { loadMetricsHeaders } from "../load-metrics.ts";
import { modelPath } from "../model-path.ts";
import type { TensorServing } from "../tensor-serving.ts";
import { invalid } from "../triton-error.ts";
import { type GenerateSignature, type GenerateTensors, parseGenerateTensors } from "./generate-tensors.ts";
import { generateEvents, onlyText } from "./generate-tensors-responses.ts";
import { generateText, type LanguageDeps, streamText } from "./language-generate.ts";
import { modelResponses, startedResponses } from "./model-responses.ts";

const parser: BodyParser<GenerateTensors, GenerateSignature> = {
  parse: parseGenerateTensors,
  module: new URL("./generate-tensors.ts", import.meta.url),
  name: parseGenerateTensors.name,
};

export type GenerateDeps = LanguageDeps & { readonly tensors: TensorServing };

/** Whether the model is one of text: its directory knows it. */
export function isLanguageModel({ models }: Pick<LanguageDeps, "models">, name: string): boolean {
  return models.list().some((model) => model.name === name);
}

/** Exactly one answer. */
export async function generate(deps: GenerateDeps, request: HttpRequest): Promise<HttpAnswer> {
  checkEncoding(request);
  const { name } = modelPath(request);
  const coming = deps.tensors.demand?.ready(name, request.signal);
  if (coming !== undefined) await coming;
  if (isLanguageModel(deps, name)) return withLoad(deps, request, await generateText(deps, request));
  const { id, responses } = await generateResponses(deps, request);
  return { kind: "whole", status: 200, headers: { "content-type": "application/json" }, body: await onlyText(id, responses) };
}

/** The status is the first answer's: what fails before it is answered as it would be without a stream. */
export async function generateStream(deps: GenerateDeps, request: HttpRequest): Promise<HttpAnswer> {
  checkEncoding(request);
  const { name } = modelPath(request);
  const coming = deps.tensors.demand?.ready(name, request.signal);
  if (coming !== undefined) await coming;
  if (isLanguageModel(deps, name)) return withLoad(deps, request, await streamText(deps, request));
  const { id, responses } = await generateResponses(deps, request);
  return { kind: "events", headers: {}, frames: generateEvents(id, await startedResponses(responses)) };
}

/** With how busy the model is, for balancers that ask. */
function withLoad({ models }: LanguageDeps, request: HttpRequest, answer: HttpAnswer): HttpAnswer {
  const format = request.header("endpoint-load-metrics-format");
  if (format === undefined) return answer;
  const { name } = modelPath(request);
  const model = models.list().find((one) => one.name === name);
  return { ...answer, headers: { ...answer.headers, ...loadMetricsHeaders(format, model) } };
}

function checkEncoding(request: HttpRequest): void {
  if (requestEncoding(request.header("content-encoding")) === "identity") return;
  throw invalid("Unsupported content-encoding, only 'identity' is supported.");
}

async function generateResponses(deps: GenerateDeps, request: HttpRequest) {
  const { tensors, bodies } = deps;
  const { name, version } = modelPath(request);
  const view = tensors.catalog.view(name, version);
  const signature = {
    inputs: view.inputs.map(({ name: input, dtype, shape }) => ({ name: input, dtype, shape })),
    bytesMax: request.bodyBytesMax,
  };
  const { id, inputs, parameters } = await bodies.parseWith(parser, request.body, signature);
  const asked = {
    model: name,
    version,
    id,
    tenant: request.tenant,
    budget: request.budget,
    explanation: request.explanation,
    parameters,
    priority: 0,
    timeoutUs: 0,
    inputs,
    outputs: [],
    deadlineMs: undefined,
    traceparent: traceparentOf(request),
  };
  return { id, responses: modelResponses(deps, asked, { kind: "tensors", view }, request.signal) };
}
