/** Finds a replica that takes a generation: routes, prepares the prompt for it, submits; refused or unreachable, it tries the next. */
import type { Clock } from "../../../core/clock.ts";
import { ServingError } from "../../../core/errors.ts";
import { generationId } from "../../../core/ids.ts";
import type { BegunChoice, GenerationSubmit, RefusalReason } from "../../../core/messages/generation.ts";
import type { Random } from "../../../core/random.ts";
import type { Metrics } from "../../../core/telemetry/metrics.ts";
import type { Tracer } from "../../../core/telemetry/tracing.ts";
import type { Fleet, ReplicaView } from "../../control/fleet.ts";
import { chooseReplica, type NoRouteReason, type RouteQuestion } from "../../routing/choose-replica.ts";
import { explainReplica } from "../../routing/explain-replica.ts";
import type { InFlight } from "../../routing/in-flight.ts";
import { type PrefixAffinity, prefixKeys } from "../../routing/prefix-affinity.ts";
import type { EncodePool } from "../../text/encode-pool.ts";
import type { TextModel } from "../../text/text-model.ts";
import type { AnswerStream } from "../answer-stream.ts";
import { stillStarting } from "../still-starting.ts";
import { type Submission, type Submitter, submissionText } from "../submit.ts";
import type { TextBundles } from "../text-bundles.ts";
import { checkBiases, tokensPerChoice } from "./generation-limits.ts";
import { promptIds } from "./prompt-ids.ts";
import { noteOf } from "./resume-note.ts";
import type { ModelDirectory, TextRequest } from "./text-generation.ts";

const ATTEMPTS_MAX = 4;

export interface PlacementDeps {
  readonly fleet: Pick<Fleet, "replicas">;
  readonly directory: ModelDirectory;
  /** Whether there may be models that this gateway has not heard of yet; no unless said. */
  readonly starting?: (() => boolean) | undefined;
  readonly submitter: Submitter;
  readonly bundles: TextBundles<TextModel>;
  readonly encodePool: Pick<EncodePool, "encode">;
  readonly inFlight: InFlight;
  readonly affinity: PrefixAffinity;
  readonly clock: Clock;
  readonly random: Random;
  /** How often in a row, without a token in between, a generation is placed again; 0: never. */
  readonly migrationLimit: () => number;
  readonly metrics: Pick<Metrics, "generationsRerouted">;
  readonly tracer: Tracer;
}

/** A generation that a replica has accepted. Disposing it resets what runs. */
export interface PlacedGeneration extends Disposable {
  readonly submit: GenerationSubmit;
  readonly replica: ReplicaView;
  readonly model: TextModel;
  readonly answers: AnswerStream;
}

/** A replica that may be gone. */
export type LeftReplica = Pick<ReplicaView, "node" | "cpu" | "version" | "textDigest">;

/** Where a generation comes from that has lost its lead, and how far it was. */
export interface Departure {
  readonly from: Pick<PlacedGeneration, "submit" | "model"> & { readonly replica: LeftReplica };
  readonly begun: readonly BegunChoice[];
}

/** @throws ServingError as `TextGeneration.generate` does before `started`; the signal's reason. */
export async function placeGeneration(
  request: TextRequest,
  arrivedMs: number,
  deps: PlacementDeps,
  signal: AbortSignal,
  departure?: Departure,
): Promise<PlacedGeneration> {
  const refused = new Map<string, RefusalReason>();
  const keys = prefixKeys(request.prompt, `${request.tenant} ${request.model}`);
  const matches = deps.affinity.matches(keys);
  let lastError: ServingError | undefined;
  let prepared: Prepared | undefined = departure?.from;
  for (let attempt = 1; attempt <= ATTEMPTS_MAX; attempt++) {
    const replica = routed(request, { refused, version: prepared?.replica.version, lastError, from: departure?.from, matches }, deps);
    using undo = new DisposableStack();
    undo.use(deps.inFlight.begin(replica.replica));
    let outcome: Submission;
    try {
      if (prepared?.replica.textDigest !== replica.textDigest) prepared = await prepare(request, replica, deps, signal);
      const submit = {
        ...prepared.submit,
        replica: replica.replica,
        remainingMs: remainingMs(request, arrivedMs, deps.clock),
        begun: departure?.begun ?? [],
        movable: isMovable(prepared, replica, deps),
      };
      outcome = await submitted(submit, replica, deps, signal);
      if (outcome.kind === "accepted") {
        request.explanation?.ended(replica, submissionText(outcome));
        const { answers } = outcome;
        undo.use(answers);
        deps.affinity.sent(keys, replica.replica);
        const kept = undo.move();
        return { submit, replica, model: prepared.model, answers, [Symbol.dispose]: () => kept.dispose() };
      }
    } catch (thrown) {
      if (signal.aborted || !(thrown instanceof ServingError && thrown.code === "UNAVAILABLE")) throw thrown;
      outcome = { kind: "unreachable", sent: true, error: thrown };
    }
    request.explanation?.ended(replica, submissionText(outcome));
    deps.metrics.generationsRerouted.inc({ model: request.model });
    refused.set(replica.replica, outcome.kind === "refused" ? outcome.reason : "not-ready");
    lastError = outcome.kind === "refused" ? refusal(request.model, outcome.reason, outcome.message) : outcome.error;
  }
  throw lastError ?? noRoute(request.model, "not-ready", deps);
}

interface Prepared {
  readonly model: TextModel;
  readonly replica: LeftReplica;
  readonly submit: GenerationSubmit;
}

async function prepare(request: TextRequest, replica: ReplicaView, deps: PlacementDeps, signal: AbortSignal): Promise<Prepared> {
  const span = deps.tracer.part(request.traceparent, { name: "tokenize", startMs: deps.clock.now() });
  const model = await deps.bundles.get(replica.textDigest, replica, signal);
  checkBiases(request.sampling.logitBias, model.bundle.vocabSize);
  const ids = await promptIds(request.prompt, model, { pool: deps.encodePool, clock: deps.clock }, signal);
  span.set({ "gen_ai.usage.input_tokens": ids.length });
  span.end(deps.clock.now());
  const { contextLength } = replica;
  const note = noteOf(request, replica);
  const tokensMax = tokensPerChoice({ promptTokens: ids.length, tokensMax: request.tokensMax, contextLength });
  const submit: GenerationSubmit = {
    kind: "generate",
    generation: generationId(deps.random.id()),
    replica: replica.replica,
    tenant: request.tenant,
    remainingMs: undefined,
    traceparent: request.traceparent,
    promptIds: ids,
    choices: request.choices,
    tokensMax,
    stopIds: model.bundle.stopIds,
    sampling: request.sampling,
    begun: [],
    ...(note !== undefined && { resumable: note }),
  };
  return { model, replica, submit };
}

/** A span until the replica has taken it; one that fails is not recorded, the whole request tells why. */
async function submitted(submit: GenerationSubmit, replica: ReplicaView, deps: PlacementDeps, signal: AbortSignal): Promise<Submission> {
  if (submit.traceparent === "") return await deps.submitter.submit(submit, replica, signal);
  const attributes = { node: replica.node, replica: replica.replica };
  const span = deps.tracer.part(submit.traceparent, { name: "submit", startMs: deps.clock.now(), attributes });
  const outcome = await deps.submitter.submit({ ...submit, traceparent: span.traceparent }, replica, signal);
  span.set({ outcome: outcome.kind });
  span.end(deps.clock.now());
  return outcome;
}

function remainingMs(request: TextRequest, arrivedMs: number, clock: Clock): number | undefined {
  return request.deadlineMs === undefined ? undefined : Math.max(0, request.deadlineMs - (clock.now() - arrivedMs));
}

interface Tried {
  readonly matches: ReadonlyMap<string, number>;
  readonly refused: ReadonlyMap<string, RefusalReason>;
  readonly lastError: ServingError | undefined;
  /** undefined: any. */
  readonly version: string | undefined;
  /** Its ids are to go on: they must mean the same there, and have room. */
  readonly from: Departure["from"] | undefined;
}

/** @throws ServingError when no replica is left to try: the last one's reason where there was one. */
function routed(
  { model, explanation }: TextRequest,
  { matches, refused, version, lastError, from }: Tried,
  deps: PlacementDeps,
): ReplicaView {
  const replicas = deps.fleet.replicas().filter((replica) => from === undefined || goesOn(from, replica));
  const among = (some: readonly ReplicaView[]) => {
    const question: RouteQuestion = {
      model,
      version,
      replicas: some,
      preferredCpu: from?.replica.cpu,
      inFlight: (replica) => deps.inFlight.count(replica),
      refused,
      matches,
      chance: deps.random.next(),
    };
    const chosen = chooseReplica(question);
    explanation?.add(explainReplica(question, chosen));
    return chosen;
  };
  // A node that hangs or is cut off still looks ready, and idle now that all have left it: it would take a second to find out.
  const elsewhere = from && among(replicas.filter(({ node, cpu }) => node !== from.replica.node && cpu === from.replica.cpu));
  const route = elsewhere?.kind === "route" ? elsewhere : among(replicas);
  if (route.kind === "route") return route.replica;
  throw lastError ?? noRoute(model, route.reason, deps);
}

function isMovable({ submit }: Prepared, replica: ReplicaView, { fleet, migrationLimit }: PlacementDeps): boolean {
  return migrationLimit() > 0 && spares({ submit, replica }, fleet).length > 0;
}

/** Whether another node has a replica that would take the generation on with the same bits. */
export function hasSpareElsewhere({ submit, replica }: PlacedGeneration, { fleet }: Pick<PlacementDeps, "fleet">): boolean {
  return spares({ submit, replica }, fleet).some(({ node, cpu }) => node !== replica.node && cpu === replica.cpu);
}

type Leading = Pick<PlacedGeneration, "submit" | "replica">;

/** A resumable one has none: it stays with its lead, where clients that come back look for it. */
function spares({ submit, replica }: Leading, fleet: PlacementDeps["fleet"]): readonly ReplicaView[] {
  if (submit.resumable !== undefined) return [];
  const isSpare = (one: ReplicaView) => one.ready && one.model === replica.model && one.replica !== replica.replica;
  return fleet.replicas().filter((one) => isSpare(one) && one.version === replica.version && goesOn({ submit, replica }, one));
}

function goesOn({ submit, replica }: Pick<Departure["from"], "submit" | "replica">, { textDigest, contextLength }: ReplicaView): boolean {
  return textDigest === replica.textDigest && contextLength >= submit.promptIds.length + submit.tokensMax;
}

function refusal(model: string, reason: RefusalReason, message: string): ServingError {
  if (reason === "full")
    return new ServingError("RESOURCE_EXHAUSTED", `model ${model} is busy: ${message}; try again later`, { reason: "full" });
  return new ServingError("UNAVAILABLE", `model ${model} cannot take the request now: ${message}; try again`, { reason });
}

function noRoute(model: string, reason: NoRouteReason, deps: PlacementDeps): ServingError {
  const readiness = deps.directory.list().find(({ name }) => name === model)?.readiness;
  if (readiness === undefined) {
    if (deps.starting?.() === true) return stillStarting(model);
    const quoted = JSON.stringify(model.slice(0, 140));
    return new ServingError("NOT_FOUND", `there is no model ${quoted} here`, { reason: "model_not_found", param: "model" });
  }
  switch (readiness.kind) {
    case "failed":
      return new ServingError("UNAVAILABLE", `model ${model} could not be loaded: ${readiness.reason}`, { reason: "model_failed" });
    case "loading":
      return new ServingError("UNAVAILABLE", `model ${model} is loading (${readiness.detail}): try again later`, {
        reason: "model_loading",
      });
    case "ready":
      return new ServingError("UNAVAILABLE", `model ${model} is ${reason === "full" ? "full" : "not ready"}: try again`, { reason });
  }
}
