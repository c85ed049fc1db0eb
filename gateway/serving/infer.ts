/** The use case behind every door that takes tensors: check, route, submit, wait for the result, or pull the answers. */
import { deadlineSignal } from "../../core/abort.ts";
import { ServingError } from "../../core/errors.ts";
import type { InferResult, InferTimes } from "../../core/messages/infer.ts";
import { inferKey } from "../../core/messages/infer-key.ts";
import { NO_PARAMETERS } from "../../core/messages/parameter-value.ts";
import { checkInferRequest } from "../../core/model/check-inputs.ts";
import type { NearAgents } from "../../core/near-agents.ts";
import type { Random } from "../../core/random.ts";
import type { Tracer } from "../../core/telemetry/tracing.ts";
import type { ModelOnNode } from "../control/fleet.ts";
import { chooseNode, explainNode } from "./choose-node.ts";
import { inferResponses } from "./infer-responses.ts";
import { type CalledLanguageModel, type Callees, sendingOf, toSubmit } from "./infer-submit.ts";
import type { Inference, InferRequest, InferResponse } from "./inference.ts";
import type { ModelView } from "./model-catalog.ts";
import { inferNear } from "./near-inference.ts";
import { type PlacementDeps, type Placing, placeInference } from "./place-inference.ts";
import { PoisonRequests } from "./poison-requests.ts";
import { isLost, RUNS_MAX } from "./run-again.ts";
import { SequenceSteps } from "./sequence-steps.ts";
import type { Submitter } from "./submit.ts";
import { tracedInference } from "./traced-inference.ts";
import { inferResult } from "./whole-answer.ts";

export interface InferenceDeps extends PlacementDeps {
  readonly submitter: Submitter;
  readonly random: Random;
  readonly steps: SequenceSteps;
  readonly tracer: Tracer;
  readonly callees: Callees;
  readonly poison: PoisonRequests<InferRequest>;
  /** Agents in this process, where there are some. */
  readonly near?: NearAgents | undefined;
}

export interface InferenceParts extends Omit<InferenceDeps, "steps" | "callees" | "poison"> {
  readonly calledLanguageModel: CalledLanguageModel;
}

export function createInference(given: InferenceParts): Inference {
  const callees: Callees = {
    infer: (request, signal) => infer(request, deps, signal),
    responses: (request, signal) => {
      const text = given.calledLanguageModel(request, signal);
      if (text !== undefined) return text;
      const view = deps.catalog.view(request.model, request.version);
      return view.decoupled ? inferResponses(request, deps, signal) : undefined;
    },
  };
  const deps: InferenceDeps = { ...given, callees, steps: new SequenceSteps(given), poison: new PoisonRequests(keyOf) };
  return {
    infer: (request, signal) => infer(request, deps, signal),
    responses: (request, signal) => inferResponses(request, deps, signal),
  };
}

const keyOf = (request: InferRequest): string => inferKey(`${request.model} ${request.version ?? "newest"}`, request);

/** With what the node says of its time. */
interface TimedResponse extends InferResponse {
  readonly times: InferTimes;
}

async function infer(request: InferRequest, deps: InferenceDeps, signal: AbortSignal): Promise<TimedResponse> {
  const view = deps.catalog.view(request.model, request.version);
  if (view.decoupled) {
    throw new ServingError("UNIMPLEMENTED", `model '${view.name}' answers a request any number of times: ask for a stream`, {
      reason: "decoupled",
    });
  }
  checkInferRequest(request, view);
  deps.poison.refuse(request, deps.clock.now());
  try {
    const { deadlineMs } = request;
    const placing =
      deadlineMs === undefined ? tracedPlace(request, view, deps, signal) : placeInTime(deadlineMs, request, view, deps, signal);
    return responseOf(view, await placing);
  } catch (thrown) {
    deps.poison.note(request, thrown, deps.clock.now());
    throw thrown;
  }
}

async function placeInTime(deadlineMs: number, request: InferRequest, view: ModelView, deps: InferenceDeps, signal: AbortSignal) {
  using scope = deadlineSignal(deps.clock, deadlineMs, signal);
  return await tracedPlace(request, view, deps, scope.signal);
}

/** As a part of the trace that the request belongs to, if there is one. */
function tracedPlace(request: InferRequest, view: ModelView, deps: InferenceDeps, signal: AbortSignal): Promise<InferResult> {
  if (request.traceparent === "") return place(request, view, deps, signal);
  return tracedInference(request, view, deps, (traced) => place(traced, view, deps, signal));
}

function place(request: InferRequest, view: ModelView, deps: InferenceDeps, signal: AbortSignal): Promise<InferResult> {
  const near = placeNear(request, view, deps, signal);
  if (near !== undefined) return near;
  const send = sendingOf(request, view, deps, signal);
  return view.sequences === undefined
    ? placed({ request, view, send, again: view.runsOnce !== true }, deps, signal)
    : deps.steps.infer(request, view, view.sequences, send, signal);
}

function responseOf({ name, version }: ModelView, { outputs, times, parameters = NO_PARAMETERS, memory }: InferResult): TimedResponse {
  return { model: name, version, parameters, outputs, times, memory };
}

/** Where the least busy copy is in this process, it gets the request as it is. Steps of sequences, and what calls models, are brought to nodes. */
function placeNear(request: InferRequest, view: ModelView, deps: InferenceDeps, signal: AbortSignal): Promise<InferResult> | undefined {
  const { near } = deps;
  if (near === undefined || view.sequences !== undefined || view.callsModels === true) return undefined;
  const chosen = chooseNode(view, NOBODY, deps);
  const agent = chosen && near.find(chosen.hosted.node);
  if (chosen === undefined || agent === undefined || chosen.model.configJson !== view.configJson) return undefined;
  const { explanation } = request;
  explanation?.add(explainNode(view, NOBODY, chosen, deps));
  const answer = inferNear(agent, toSubmit(request, chosen, request.deadlineMs), signal, deps.inFlight.begin(chosen.hosted.replica));
  explanation?.ended(chosen.hosted, answer === undefined ? "not taken within this process" : "accepted");
  return answer;
}

/** Nobody has refused the request yet. */
const NOBODY: ReadonlySet<string> = new Set();

/** A node that is lost before it answers is lost to the client only where running the request again might do harm. */
async function placed(placing: Placing, deps: PlacementDeps, signal: AbortSignal): Promise<InferResult> {
  let lost: ModelOnNode | undefined;
  for (let run = 1; ; run++) {
    using inference = await placeInference(placing, deps, signal, lost);
    try {
      return await inferResult(inference.answers);
    } catch (thrown) {
      if (!placing.again || run >= RUNS_MAX || !isLost(thrown)) throw thrown;
      lost = inference.by;
    }
  }
}
