/** Any number of answers to a request, pulled from the node as the client reads: what is not pulled holds the model back. */
import { deadlineSignal } from "../../core/abort.ts";
import { NO_PARAMETERS } from "../../core/messages/parameter-value.ts";
import { type AssembledResponse, ResponseAssembler } from "../../core/messages/response-frames.ts";
import { checkInferRequest } from "../../core/model/check-inputs.ts";
import type { Tracer } from "../../core/telemetry/tracing.ts";
import type { ModelOnNode } from "../control/fleet.ts";
import type { AnswerStream } from "./answer-stream.ts";
import { type SendDeps, sendingOf } from "./infer-submit.ts";
import type { DecoupledResponse, InferRequest } from "./inference.ts";
import type { ModelView } from "./model-catalog.ts";
import { type PlacementDeps, placeInference } from "./place-inference.ts";
import type { PoisonRequests } from "./poison-requests.ts";
import { isLost, RUNS_MAX } from "./run-again.ts";
import { tracedResponses } from "./traced-inference.ts";

type ResponsesDeps = PlacementDeps & SendDeps & { readonly tracer: Tracer; readonly poison: PoisonRequests<InferRequest> };

/** @throws ServingError with Triton's texts; what ended the request, the signal's reason */
export async function* inferResponses(request: InferRequest, deps: ResponsesDeps, signal: AbortSignal): AsyncGenerator<DecoupledResponse> {
  const view = deps.catalog.view(request.model, request.version);
  checkInferRequest(request, view);
  deps.poison.refuse(request, deps.clock.now());
  using scope = request.deadlineMs === undefined ? undefined : deadlineSignal(deps.clock, request.deadlineMs, signal);
  const until = scope?.signal ?? signal;
  try {
    if (request.traceparent === "") yield* responses(request, view, deps, until);
    else yield* tracedResponses(request, view, deps, (traced) => responses(traced, view, deps, until));
  } catch (thrown) {
    deps.poison.note(request, thrown, deps.clock.now());
    throw thrown;
  }
}

async function* responses(
  request: InferRequest,
  view: ModelView,
  deps: ResponsesDeps,
  signal: AbortSignal,
): AsyncGenerator<DecoupledResponse> {
  const send = sendingOf(request, view, deps, signal);
  const placing = { request, view, send, again: view.runsOnce !== true };
  let lost: ModelOnNode | undefined;
  let answered = false;
  for (let run = 1; ; run++) {
    using placed = await placeInference(placing, deps, signal, lost);
    try {
      for await (const response of assembled(placed.answers)) {
        answered = true;
        yield responseOf(view, response);
      }
      return;
    } catch (thrown) {
      if (answered || !placing.again || run >= RUNS_MAX || !isLost(thrown)) throw thrown;
      lost = placed.by;
    }
  }
}

async function* assembled(answers: AnswerStream): AsyncGenerator<AssembledResponse> {
  answers.doneWriting();
  const assembler = new ResponseAssembler();
  for (let frames = await answers.pull(); frames.length > 0; frames = await answers.pull()) {
    for (const frame of frames) {
      const response = assembler.push(frame);
      if (response !== undefined) yield response;
    }
  }
}

function responseOf({ name: model, version }: ModelView, assembled: AssembledResponse): DecoupledResponse {
  if (assembled.kind === "failed") return { model, version, parameters: NO_PARAMETERS, outputs: [], error: assembled.error };
  const { outputs, parameters = NO_PARAMETERS } = assembled.result;
  return { model, version, parameters, outputs, ...(assembled.kind === "final" && { isFinal: true }) };
}
