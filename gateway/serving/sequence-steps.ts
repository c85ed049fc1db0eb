/**
 * Requests that are steps of sequences: each goes to its sequence's owner, in order, and is sent again until its outcome is known. A
 * step that is sent again carries the same token, and is applied once.
 */
import { untilAborted } from "../../core/abort.ts";
import { type Clock, sleep } from "../../core/clock.ts";
import { LINK_LOST, ServingError } from "../../core/errors.ts";
import type { InferResult } from "../../core/messages/infer.ts";
import { type SequenceFlags, type SequencePassage, sequenceFlags, sequenceKey, sequenceOwner } from "../../core/messages/sequence-step.ts";
import type { PublishedSequences } from "../../core/model/published-model.ts";
import type { Random } from "../../core/random.ts";
import { explainCopy } from "../routing/explain-copy.ts";
import type { RouteExplanation, RoutePick } from "../routing/route-explanation.ts";
import { ownerWeight, type SequenceRoute, SequenceRoutes } from "../routing/sequence-routes.ts";
import { staying } from "../routing/staying.ts";
import type { NodeChoiceDeps } from "./choose-node.ts";
import type { InferRequest } from "./inference.ts";
import type { ModelView } from "./model-catalog.ts";
import { oldestOf, type ServedVersion } from "./model-views.ts";
import { type Submission, type Submitter, submissionText } from "./submit.ts";
import { inferResult } from "./whole-answer.ts";

export interface SequenceStepsDeps extends NodeChoiceDeps {
  readonly clock: Clock;
  readonly random: Random;
}

/** Sends the request to a node as it is now. @throws what `Submitter.submit` does */
export type SendStep = (chosen: ServedVersion, passage: SequencePassage) => ReturnType<Submitter["submit"]>;

interface Candidate extends ServedVersion {
  readonly owner: string;
}

/** A step on its way. */
interface Step {
  readonly key: string;
  readonly flags: SequenceFlags;
  readonly view: ModelView;
  readonly sequences: PublishedSequences;
  readonly token: string;
  readonly explanation: RouteExplanation | undefined;
  readonly send: SendStep;
  readonly signal: AbortSignal;
  /** The sequence's next step may be sent. */
  readonly letNext: () => void;
}

type Outcome =
  | { readonly kind: "answered"; readonly result: InferResult }
  /** Not executed there. `owner`: who is said to be the owner, if anybody. */
  | { readonly kind: "elsewhere"; readonly owner: string | undefined; readonly error: ServingError }
  /** Executed or not: it must be sent again with its token. */
  | { readonly kind: "unknown"; readonly error: ServingError };

/** As long as a node's silence is noticed, and its models are loaded elsewhere. */
const TROUBLE_MS_MAX = 15_000;
const RETRIES_AT_ONCE = 3;
const PAUSE_MS = 50;

export class SequenceSteps {
  readonly #deps: SequenceStepsDeps;
  readonly #routes = new SequenceRoutes();
  /** Settles when the last step so far lets the next one go; by sequence. */
  readonly #lines = new Map<string, Promise<void>>();
  readonly #gateway: string;
  #tokens = 0;

  constructor(deps: SequenceStepsDeps) {
    this.#deps = deps;
    this.#gateway = deps.random.id();
  }

  /**
   * Steps of one sequence reach their node in the order of the calls.
   * @throws ServingError as the node answers; UNAVAILABLE when the outcome stays unknown; the signal's reason
   */
  async infer(
    request: InferRequest,
    view: ModelView,
    sequences: PublishedSequences,
    send: SendStep,
    signal: AbortSignal,
  ): Promise<InferResult> {
    const flags = sequenceFlags(request.parameters);
    const key = `${view.name}/${view.version}/${request.tenant}/${flags.id === undefined ? "" : sequenceKey(flags.id)}`;
    const before = flags.id === undefined ? undefined : this.#lines.get(key);
    const turn = Promise.withResolvers<void>();
    const line = turn.promise.then(() => {
      if (this.#lines.get(key) === line) this.#lines.delete(key);
    });
    if (flags.id !== undefined) this.#lines.set(key, line);
    const token = this.#token(request, flags);
    try {
      if (before !== undefined) await this.#myTurn(key, before, signal);
      this.#checkStarted(key, flags, { waited: before !== undefined, model: view.name });
      return await this.#place({
        key,
        flags,
        view,
        sequences,
        token,
        explanation: request.explanation,
        send,
        signal,
        letNext: turn.resolve,
      });
    } finally {
      turn.resolve(before); // one that left the line does not let others pass those before it
    }
  }

  async #myTurn(key: string, before: Promise<void>, signal: AbortSignal): Promise<void> {
    try {
      await untilAborted(before, signal);
    } catch (thrown) {
      this.#routes.cancel(key, this.#deps.clock.now()); // the steps behind it must not be taken for its successors
      throw thrown;
    }
  }

  /** A canceled step takes its sequence along. */
  #checkStarted(key: string, { id, start }: SequenceFlags, { waited, model }: { readonly waited: boolean; readonly model: string }): void {
    if (!this.#routes.isCanceled(key)) return;
    if (start) {
      this.#routes.forget(key);
      return;
    }
    if (waited) throw new ServingError("CANCELLED", "an earlier request of the sequence was canceled, and the sequence with it");
    const text = `inference request for sequence ${id} to model '${model}' must specify the START flag on the first request of the sequence`;
    throw new ServingError("INVALID_ARGUMENT", text, { reason: "sequence_not_started" });
  }

  /** The client's own name for the step, or one that nobody else has. */
  #token({ parameters }: InferRequest, { step }: SequenceFlags): string {
    const key = parameters.get("idempotency_key");
    if (typeof key === "string" && key !== "") return `key ${key}`;
    if (step !== undefined) return `step ${step}`;
    this.#tokens += 1;
    return `${this.#gateway} ${this.#tokens}`;
  }

  async #place(step: Step): Promise<InferResult> {
    const { clock } = this.#deps;
    const { key, flags, view, sequences, signal } = step;
    const refused = new Set<string>();
    let troubles = 0;
    let troubleMs: number | undefined;
    let trouble = new ServingError(
      "UNAVAILABLE",
      `Request for unknown model: '${view.name}' version ${view.version} is not at ready state`,
    );
    for (;;) {
      const candidates = this.#candidates(view, refused, flags.start);
      const route = this.#routes.route(key, candidates, { start: flags.start, nowMs: clock.now() });
      step.explanation?.add(this.#explained(step, candidates, route?.to, refused));
      if (route !== undefined) {
        const outcome = await this.#try(step, route);
        const at = { idleMs: sequences.idleMs, nowMs: clock.now() };
        if (outcome.kind === "answered") {
          if (flags.end) this.#routes.forget(key);
          else this.#routes.answered(key, { owner: route.to.owner, start: flags.start ? step.token : undefined }, at);
          return outcome.result;
        }
        trouble = outcome.error;
        if (outcome.kind === "elsewhere" && outcome.owner === undefined) refused.add(route.to.owner);
        if (outcome.kind === "elsewhere" && outcome.owner !== undefined) this.#routes.moved(key, outcome.owner, at);
      }
      troubleMs ??= clock.now();
      if (clock.now() - troubleMs > TROUBLE_MS_MAX) throw trouble;
      troubles += 1;
      if (troubles <= RETRIES_AT_ONCE) continue;
      refused.clear();
      await sleep(clock, PAUSE_MS, signal);
    }
  }

  /** Of a version that is being reloaded the old copies, until they are told to drain. */
  #candidates({ name, version }: ModelView, refused: ReadonlySet<string>, start: boolean): readonly Candidate[] {
    const willing = oldestOf(this.#deps.views.readyFor(name, version))
      .map((served) => ({ ...served, owner: sequenceOwner(served.hosted) }))
      .filter(({ owner }) => !refused.has(owner));
    return start ? staying(willing, ({ hosted }) => hosted.leaving) : willing;
  }

  /** An owner that is known stays; else the candidate of the highest weight is it. */
  #explained(
    { key, view }: Step,
    candidates: readonly Candidate[],
    chosen: Candidate | undefined,
    refused: ReadonlySet<string>,
  ): RoutePick {
    const { views, inFlight } = this.#deps;
    const known = this.#routes.ownerOf(key, this.#deps.clock.now()) ?? "";
    return explainCopy({
      model: view.name,
      version: view.version,
      hosted: views.hosted(),
      ready: views.readyFor(view.name, view.version).map(({ hosted }) => hosted),
      candidates: candidates.map(({ owner, hosted: { replica, node } }) => {
        const scores = { owner: owner === known ? "yes" : "no", weight: ownerWeight(key, owner), own_in_flight: inFlight.count(replica) };
        return { replica, node, scores };
      }),
      chosen: chosen?.hosted,
      hasRefused: (copy) => refused.has(sequenceOwner(copy)),
    });
  }

  async #try(step: Step, { to, from, start, answered }: SequenceRoute<Candidate>): Promise<Outcome> {
    const { token, explanation, send, sequences, letNext } = step;
    using _count = this.#deps.inFlight.begin(to.hosted.replica);
    const submission: Submission = await send(to, { token, from, start, answered });
    explanation?.ended(to.hosted, submissionText(submission));
    if (submission.kind === "unreachable") return { kind: "unknown", error: submission.error };
    if (submission.kind === "refused") {
      return {
        kind: "elsewhere",
        owner: undefined,
        error: new ServingError("UNAVAILABLE", submission.message, { reason: submission.reason }),
      };
    }
    // The outcome of one step at a time may be in doubt. Where a node's death is survived, there must be no second.
    if (!sequences.kept) letNext();
    using answers = submission.answers;
    try {
      return { kind: "answered", result: await inferResult(answers) };
    } catch (thrown) {
      const error = ServingError.from(thrown);
      if (error.reason === "not-owner") return { kind: "elsewhere", owner: error.message, error: wentAround(error) };
      if (error.reason !== LINK_LOST || !sequences.kept) throw error;
      return { kind: "unknown", error };
    }
  }
}

const wentAround = (cause: ServingError): ServingError =>
  new ServingError("UNAVAILABLE", `the sequence belongs to ${cause.message}, which cannot be reached: try again`, { cause });
