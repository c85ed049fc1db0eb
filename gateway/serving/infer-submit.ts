/** An inference as it goes to a node, with the way for what it calls from there. */
import type { Clock } from "../../core/clock.ts";
import type { InferSubmit } from "../../core/messages/infer.ts";
import type { SequencePassage } from "../../core/messages/sequence-step.ts";
import { checkInferRequest, inSignatureOrder } from "../../core/model/check-inputs.ts";
import type { Caller } from "./call-desk.ts";
import type { DecoupledResponse, InferRequest } from "./inference.ts";
import type { ModelView } from "./model-catalog.ts";
import type { ServedVersion } from "./model-views.ts";
import type { Submission, Submitter } from "./submit.ts";

export interface SendDeps {
  readonly submitter: Submitter;
  readonly clock: Clock;
  /** Answers what requests call. */
  readonly callees: Callees;
}

/** Language models among what requests call. @returns undefined for other models @throws ServingError NOT_FOUND, UNAVAILABLE */
export type CalledLanguageModel = (request: InferRequest, signal: AbortSignal) => AsyncIterable<DecoupledResponse> | undefined;

/** What requests call is an inference like a client's own. */
export interface Callees {
  infer(request: InferRequest, signal: AbortSignal): ReturnType<Caller["infer"]>;
  responses(request: InferRequest, signal: AbortSignal): ReturnType<Caller["responses"]>;
}

export type SendTo = (chosen: ServedVersion, passage?: SequencePassage) => Promise<Submission>;

/** @param view that the request was checked against */
export function sendingOf(request: InferRequest, view: ModelView, deps: SendDeps, signal: AbortSignal): SendTo {
  const arrivedMs = deps.clock.now();
  const leftMs = () => request.deadlineMs && Math.max(0, request.deadlineMs - (deps.clock.now() - arrivedMs));
  const caller = view.callsModels === true ? callerFor(request, leftMs, deps) : undefined;
  return (chosen, passage) => {
    // Of a later load than the one that the request was checked against: it may want other inputs.
    if (chosen.model.configJson !== view.configJson) checkInferRequest(request, chosen.model);
    const submit = toSubmit(request, chosen, leftMs());
    return deps.submitter.submit(passage === undefined ? submit : { ...submit, sequence: passage }, chosen.hosted, signal, caller);
  };
}

/** For the same tenant and key, until the same deadline. */
function callerFor({ tenant, budget, traceparent }: InferRequest, leftMs: () => number | undefined, { callees }: SendDeps): Caller {
  const called = ({ queueTimeoutUs, caller: _caller, ...call }: Parameters<Caller["infer"]>[0]): InferRequest => ({
    ...call,
    timeoutUs: queueTimeoutUs,
    tenant,
    budget,
    traceparent,
    deadlineMs: leftMs(),
  });
  return {
    infer: (call, signal) => callees.infer(called(call), signal),
    responses: (call, signal) => callees.responses(called(call), signal),
  };
}

export function toSubmit(request: InferRequest, { hosted, model }: ServedVersion, remainingMs: number | undefined): InferSubmit {
  const { tenant, id, traceparent, priority, timeoutUs, parameters, outputs, depth, memory } = request;
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
    memory,
  };
}
