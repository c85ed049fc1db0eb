/** The use case behind every door that takes tensors: check, route, submit, wait for the result. */
import { deadlineSignal } from "../../core/abort.ts";
import type { Clock } from "../../core/clock.ts";
import { ServingError } from "../../core/errors.ts";
import type { InferResult, InferSubmit, InferTimes } from "../../core/messages/infer.ts";
import { decodeInferResult } from "../../core/messages/infer-codec.ts";
import { inferKey } from "../../core/messages/infer-key.ts";
import type { SequencePassage } from "../../core/messages/sequence-step.ts";
import { SUBMIT_BYTES_MAX } from "../../core/messages/submit-codec.ts";
import { checkInferRequest, inSignatureOrder } from "../../core/model/check-inputs.ts";
import type { NearAgents } from "../../core/near-agents.ts";
import type { Random } from "../../core/random.ts";
import type { Tracer } from "../../core/telemetry/tracing.ts";
import type { InFlight } from "../routing/in-flight.ts";
import type { Caller } from "./call-desk.ts";
import type { Inference, InferRequest, InferResponse } from "./inference.ts";
import type { ModelCatalog, ModelView } from "./model-catalog.ts";
import { type ModelViews, oldestOf, type ServedVersion } from "./model-views.ts";
import { inferNear } from "./near-inference.ts";
import { PoisonRequests } from "./poison-requests.ts";
import type { Patience } from "./returning-models.ts";
import { SequenceSteps } from "./sequence-steps.ts";
import type { Submission, Submitter } from "./submit.ts";
import { tracedInference } from "./traced-inference.ts";
import { wholeAnswer } from "./whole-answer.ts";

export interface InferenceDeps {
  readonly catalog: ModelCatalog;
  readonly views: Pick<ModelViews, "readyFor">;
  readonly submitter: Submitter;
  readonly inFlight: InFlight;
  readonly clock: Clock;
  readonly random: Random;
  readonly steps: SequenceSteps;
  readonly tracer: Tracer;
  readonly patience: Patience;
  readonly poison: PoisonRequests<InferRequest>;
  /** Agents in this process, where there are some. */
  readonly near?: NearAgents | undefined;
}

/** Nodes that are tried when one refuses: it has not executed anything. */
const ATTEMPTS_MAX = 4;

export function createInference(given: Omit<InferenceDeps, "steps" | "poison">): Inference {
  const deps = { ...given, steps: new SequenceSteps(given), poison: new PoisonRequests(keyOf) };
  return { infer: (request, signal) => infer(request, deps, signal) };
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
    if (request.deadlineMs === undefined) return await tracedPlace(request, view, deps, signal);
    using scope = deadlineSignal(deps.clock, request.deadlineMs, signal);
    return await tracedPlace(request, view, deps, scope.signal);
  } catch (thrown) {
    deps.poison.note(request, thrown, deps.clock.now());
    throw thrown;
  }
}

/** As a part of the trace that the request belongs to, if there is one. */
function tracedPlace(request: InferRequest, view: ModelView, deps: InferenceDeps, signal: AbortSignal): Promise<TimedResponse> {
  if (request.traceparent === "") return place(request, view, deps, signal);
  return tracedInference(request, view, deps, (traced) => place(traced, view, deps, signal));
}

async function place(request: InferRequest, view: ModelView, deps: InferenceDeps, signal: AbortSignal): Promise<TimedResponse> {
  const near = placeNear(request, view, deps, signal);
  if (near !== undefined) return responseOf(view, await near);
  const arrivedMs = deps.clock.now();
  const leftMs = () => request.deadlineMs && Math.max(0, request.deadlineMs - (deps.clock.now() - arrivedMs));
  const caller = view.members && callerFor(request, leftMs, deps);
  const send = (chosen: ServedVersion, passage?: SequencePassage) => {
    // Of a later load than the one that the request was checked against: it may want other inputs.
    if (chosen.model.configJson !== view.configJson) checkInferRequest(request, chosen.model);
    const submit = toSubmit(request, chosen, leftMs());
    return deps.submitter.submit(passage === undefined ? submit : { ...submit, sequence: passage }, chosen.hosted, signal, caller);
  };
  const result =
    view.sequences === undefined
      ? await placedInTime(request, view, send, deps, { arrivedMs, signal })
      : await deps.steps.infer(request, view, view.sequences, send, signal);
  return responseOf(view, result);
}

const NO_PARAMETERS: InferResponse["parameters"] = new Map();

function responseOf({ name, version }: ModelView, { outputs, times }: InferResult): TimedResponse {
  return { model: name, version, parameters: NO_PARAMETERS, outputs, times };
}

/** Where the least busy copy is in this process, it gets the request as it is. Steps of sequences, and what calls models, are brought to nodes. */
function placeNear(request: InferRequest, view: ModelView, deps: InferenceDeps, signal: AbortSignal): Promise<InferResult> | undefined {
  const { near } = deps;
  if (near === undefined || view.sequences !== undefined || view.members !== undefined) return undefined;
  const chosen = chooseNode(view, NOBODY, deps);
  const agent = chosen && near.find(chosen.hosted.node);
  if (chosen === undefined || agent === undefined || chosen.model.configJson !== view.configJson) return undefined;
  return inferNear(agent, toSubmit(request, chosen, request.deadlineMs), signal, deps.inFlight.begin(chosen.hosted.replica));
}

/** Nobody has refused the request yet. */
const NOBODY: ReadonlySet<string> = new Set();

type Send = (chosen: ServedVersion) => Promise<Submission>;

/** Where no copy of the model is there at the moment, it waits for one. @throws ServingError why nobody took it */
async function placedInTime(
  request: InferRequest,
  view: ModelView,
  send: Send,
  deps: InferenceDeps,
  { arrivedMs, signal }: { readonly arrivedMs: number; readonly signal: AbortSignal },
): Promise<InferResult> {
  const notReady = `Request for unknown model: '${view.name}' version ${view.version} is not at ready state`;
  for (;;) {
    const placing = await placeAnywhere(view, send, deps);
    if (placing.kind === "answered") return placing.result;
    const error = placing.unreachable ?? new ServingError("UNAVAILABLE", notReady);
    try {
      await deps.patience.again(view.name, error, arrivedMs, signal);
    } catch (thrown) {
      if (thrown === error && placing.unreachable === undefined) deps.catalog.view(request.model, request.version); // unloaded: it says so
      throw thrown;
    }
  }
}

type Placing =
  | { readonly kind: "answered"; readonly result: InferResult }
  /** Nobody has taken it; why the last node could not be reached, if one could not. */
  | { readonly kind: "refused"; readonly unreachable: ServingError | undefined };

/** Any node that is ready will do. */
async function placeAnywhere(view: ModelView, send: Send, deps: InferenceDeps): Promise<Placing> {
  const refused = new Set<string>();
  let unreachable: ServingError | undefined;
  for (let attempt = 1; attempt <= ATTEMPTS_MAX; attempt++) {
    const chosen = chooseNode(view, refused, deps);
    if (chosen === undefined) break;
    const { hosted } = chosen;
    refused.add(refusalKey(hosted));
    using _count = deps.inFlight.begin(hosted.replica);
    const submission = await send(chosen);
    if (submission.kind === "accepted") {
      using answers = submission.answers;
      const result = decodeInferResult(await wholeAnswer(answers, { what: "an inference's result", bytesMax: SUBMIT_BYTES_MAX }));
      return { kind: "answered", result };
    }
    if (submission.kind === "unreachable") unreachable = submission.error;
  }
  return { kind: "refused", unreachable };
}

/** What a request calls is an inference like a client's own, for the same tenant, until the same deadline. */
function callerFor({ tenant, traceparent }: InferRequest, leftMs: () => number | undefined, deps: InferenceDeps): Caller {
  return {
    infer: ({ queueTimeoutUs, ...call }, signal) =>
      infer({ ...call, timeoutUs: queueTimeoutUs, tenant, traceparent, deadlineMs: leftMs() }, deps, signal),
  };
}

const refusalKey = ({ node, replica }: ServedVersion["hosted"]): string => `${node} ${replica}`;

/**
 * The replica with the least under way, by its own word and by what this gateway has sent since. Of a version that is being
 * reloaded the old one, unless that has refused already: then it drains, and the new one has taken over.
 */
function chooseNode(view: ModelView, refused: ReadonlySet<string>, deps: InferenceDeps): ServedVersion | undefined {
  const ready = deps.views.readyFor(view.name, view.version);
  const left = refused.size === 0 ? ready : ready.filter(({ hosted }) => !refused.has(refusalKey(hosted)));
  let best: ServedVersion | undefined;
  let bestLoad = Number.POSITIVE_INFINITY;
  for (const one of oldestOf(left)) {
    const load = Math.max(one.hosted.inFlight + one.hosted.queued, deps.inFlight.count(one.hosted.replica));
    if (load < bestLoad) {
      best = one;
      bestLoad = load;
    }
  }
  return best;
}

function toSubmit(request: InferRequest, { hosted, model }: ServedVersion, remainingMs: number | undefined): InferSubmit {
  const { tenant, id, traceparent, priority, timeoutUs, parameters, outputs, depth } = request;
  const inputs = inSignatureOrder(request.inputs, model.inputs);
  return {
    kind: "infer",
    replica: hosted.replica,
    tenant,
    id,
    remainingMs,
    traceparent,
    priority,
    queueTimeoutUs: timeoutUs,
    parameters,
    inputs,
    outputs,
    ...(depth !== undefined && { depth }),
  };
}
