/** Brings an inference to a node that hosts its model: chosen by what is under way, another one where one refuses. */
import type { Clock } from "../../core/clock.ts";
import { ServingError } from "../../core/errors.ts";
import type { ModelOnNode } from "../control/fleet.ts";
import type { AnswerStream } from "./answer-stream.ts";
import { chooseNode, explainNode, type NodeChoiceDeps, refusalKey } from "./choose-node.ts";
import type { InferRequest } from "./inference.ts";
import type { ModelCatalog, ModelView } from "./model-catalog.ts";
import type { ServedVersion } from "./model-views.ts";
import type { Patience } from "./returning-models.ts";
import { type Submission, submissionText } from "./submit.ts";

export interface PlacementDeps extends NodeChoiceDeps {
  readonly catalog: ModelCatalog;
  readonly clock: Clock;
  readonly patience: Patience;
}

export type Send = (chosen: ServedVersion) => Promise<Submission>;

export interface Placing {
  readonly request: InferRequest;
  /** That the request was checked against. */
  readonly view: ModelView;
  readonly send: Send;
  /** Another node may run it when nobody knows whether the one before has. */
  readonly again: boolean;
}

/** Its answers, and who gives them. Counts as under way until it is disposed. */
export class PlacedInference implements Disposable {
  readonly answers: AnswerStream;
  readonly by: ModelOnNode;
  readonly #count: Disposable;

  constructor(answers: AnswerStream, by: ModelOnNode, count: Disposable) {
    this.answers = answers;
    this.by = by;
    this.#count = count;
  }

  [Symbol.dispose](): void {
    this.answers[Symbol.dispose]();
    this.#count[Symbol.dispose]();
  }
}

/** Nodes that are tried when one refuses, or is not there. */
const ATTEMPTS_MAX = 4;

/**
 * Where no copy of the model is there at the moment, it waits for one.
 * @param lost took it before, and was lost: others are asked first
 * @throws ServingError why nobody took it; the signal's reason
 */
export async function placeInference(
  placing: Placing,
  deps: PlacementDeps,
  signal: AbortSignal,
  lost?: ModelOnNode,
): Promise<PlacedInference> {
  const { request, view } = placing;
  let refused = new Set(lost && [refusalKey(lost)]);
  const arrivedMs = deps.clock.now();
  const notReady = `Request for unknown model: '${view.name}' version ${view.version} is not at ready state`;
  for (;;) {
    const placed = await placeAnywhere(placing, refused, deps);
    if (placed instanceof PlacedInference) return placed;
    refused = new Set();
    const error = placed.unreachable ?? new ServingError("UNAVAILABLE", notReady);
    try {
      await deps.patience.again(view.name, error, arrivedMs, signal);
    } catch (thrown) {
      if (thrown === error && placed.unreachable === undefined) deps.catalog.view(request.model, request.version); // unloaded: it says so
      throw thrown;
    }
  }
}

/** Nobody has taken it; why the last node could not be reached, if one could not. */
interface Refused {
  readonly unreachable: ServingError | undefined;
}

/** Any node that is ready will do. @param refused grows by those that did not take it */
async function placeAnywhere(
  { request: { explanation }, view, send, again }: Placing,
  refused: Set<string>,
  deps: PlacementDeps,
): Promise<PlacedInference | Refused> {
  let unreachable: ServingError | undefined;
  for (let attempt = 1; attempt <= ATTEMPTS_MAX; attempt++) {
    const chosen = chooseNode(view, refused, deps);
    explanation?.add(explainNode(view, refused, chosen, deps));
    if (chosen === undefined) break;
    const { hosted } = chosen;
    refused.add(refusalKey(hosted));
    const count = deps.inFlight.begin(hosted.replica);
    let placed: PlacedInference | undefined;
    try {
      const submission = await send(chosen);
      explanation?.ended(hosted, submissionText(submission));
      if (submission.kind === "accepted") placed = new PlacedInference(submission.answers, hosted, count);
      if (submission.kind === "unreachable") {
        if (submission.sent && !again) throw submission.error;
        unreachable = submission.error;
      }
    } finally {
      if (placed === undefined) count[Symbol.dispose]();
    }
    if (placed !== undefined) return placed;
  }
  return { unreachable };
}
