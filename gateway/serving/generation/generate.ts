/** The use case behind every door that makes text: place the generation, fold its tokens to text, end it where it is to end. */
import { createHash } from "node:crypto";
import { deadlineSignal, linkedSignal } from "../../../core/abort.ts";
import type { Clock } from "../../../core/clock.ts";
import { ServingError } from "../../../core/errors.ts";
import type { AnswerFrame } from "../../../core/messages/generation.ts";
import type { Metrics } from "../../../core/telemetry/metrics.ts";
import { textFold } from "../../text/text-fold.ts";
import { PoisonRequests } from "../poison-requests.ts";
import type { Patience } from "../returning-models.ts";
import { ChoiceFold, type FoldedFrames } from "./choice-fold.ts";
import { GenerationRecord } from "./generation-record.ts";
import { GenerationSpan } from "./generation-span.ts";
import { type MovingDeps, MovingGeneration, type MovingOptions } from "./moving-generation.ts";
import { type PlacedGeneration, placeGeneration } from "./placed-generation.ts";
import { type ResumeDeps, resumedGeneration } from "./resumed-generation.ts";
import type { ResumeRequest, TextEvent, TextGeneration, TextRequest } from "./text-generation.ts";

export interface GenerationDeps extends MovingDeps, ResumeDeps {
  readonly fleet: ResumeDeps["fleet"];
  readonly patience: Patience;
  readonly poison: PoisonRequests<TextRequest>;
  readonly metrics: Pick<
    Metrics,
    | "generationsRerouted"
    | "generationsMoved"
    | "generationsResumed"
    | "timeToFirstToken"
    | "interToken"
    | "promptTokens"
    | "completionTokens"
    | "generationsCanceled"
    | "generationsInFlight"
  >;
}

export function createTextGeneration(given: Omit<GenerationDeps, "poison">): TextGeneration {
  const deps = { ...given, poison: new PoisonRequests(textKey) };
  return {
    generate: (request, signal) => generate(request, deps, signal),
    resume: (request, signal) => resume(request, deps, signal),
  };
}

/** What gives the same tokens: a stage that died of some of them dies of them again. */
function textKey({ model, prompt, choices, sampling }: TextRequest): string {
  const seed = sampling.temperature === 0 ? "any" : `${sampling.seed}`;
  return createHash("sha256")
    .update(JSON.stringify([model, prompt, choices, { ...sampling, seed }]))
    .digest("base64");
}

async function* generate(asked: TextRequest, deps: GenerationDeps, signal: AbortSignal): AsyncGenerator<TextEvent, void, undefined> {
  const arrivedMs = deps.clock.now();
  using trace = new GenerationSpan(asked, deps, arrivedMs);
  const { request } = trace;
  using scope = request.deadlineMs === undefined ? linkedSignal(signal) : deadlineSignal(deps.clock, request.deadlineMs, signal);
  try {
    deps.poison.refuse(request, arrivedMs);
    const placed = await placedInTime(request, arrivedMs, deps, scope.signal);
    const { submit, replica, model } = placed;
    const record = request.resumable === undefined ? undefined : await GenerationRecord.begin(deps, submit.generation, request, replica);
    const fold = new ChoiceFold(
      textFold(model.tokenizer.table, request.stop, { textStart: request.prompt.kind === "chat" }),
      request.choices,
    );
    yield* running({ request, arrivedMs, placed, record, fold, trace, signal: scope.signal }, deps);
  } catch (thrown) {
    deps.poison.note(request, thrown, deps.clock.now());
    throw trace.failed(thrown);
  }
}

/** Where no copy of the model is there at the moment, it waits for one. @throws as `placeGeneration` does */
async function placedInTime(request: TextRequest, arrivedMs: number, deps: GenerationDeps, signal: AbortSignal): Promise<PlacedGeneration> {
  for (;;) {
    try {
      return await placeGeneration(request, arrivedMs, deps, signal);
    } catch (thrown) {
      signal.throwIfAborted();
      await deps.patience.again(request.model, ServingError.from(thrown), arrivedMs, signal);
    }
  }
}

async function* resume(asked: ResumeRequest, deps: GenerationDeps, signal: AbortSignal): AsyncGenerator<TextEvent, void, undefined> {
  const arrivedMs = deps.clock.now();
  using scope = linkedSignal(signal);
  const resumed = await resumedGeneration(asked, deps, scope.signal);
  const { placed, record, note, first } = resumed;
  using trace = new GenerationSpan(resumed.request, deps, arrivedMs);
  const { request } = trace;
  deps.metrics.generationsResumed.inc({ model: request.model });
  const { told } = asked;
  try {
    const fold = new ChoiceFold(
      textFold(placed.model.tokenizer.table, note.stop, { textStart: note.textStart }),
      request.choices,
      told ?? [],
    );
    const back = { told: told !== undefined, first };
    yield* running({ request, arrivedMs, placed, record, fold, trace, signal: scope.signal, back }, deps);
  } catch (thrown) {
    throw trace.failed(thrown);
  }
}

/** A generation that a lead has accepted, and how this gateway makes it a text. */
interface Running extends Omit<MovingOptions, "begun"> {
  readonly fold: ChoiceFold;
  readonly trace: GenerationSpan;
  /** Of one that its client has come back for: whether that has the opening, and what there is without the lead. */
  readonly back?: { readonly told: boolean; readonly first: readonly AnswerFrame[] };
}

async function* running(options: Running, deps: GenerationDeps): AsyncGenerator<TextEvent, void, undefined> {
  const { request, arrivedMs, placed, record, fold, trace, signal, back } = options;
  using moving = new MovingGeneration({ request, arrivedMs, placed, record, begun: () => fold.begun(), signal }, deps);
  using count = new GenerationCount(deps, { model: request.model, arrivedMs, choices: request.choices, trace });
  const promptTokens = placed.submit.promptIds.length;
  yield {
    kind: "started",
    generation: placed.submit.generation,
    model: request.model,
    version: placed.replica.version,
    promptTokens,
    ...(record !== undefined && request.resumable !== undefined && { resumable: request.resumable }),
    ...(back?.told === true && { told: true }),
  };
  if (back === undefined) count.started(promptTokens);
  try {
    yield* events(moving, fold, count, back?.first ?? []);
    count.settled();
  } catch (thrown) {
    if (!signal.aborted) count.settled();
    throw thrown;
  }
}

async function* events(
  moving: MovingGeneration,
  fold: ChoiceFold,
  count: GenerationCount,
  first: readonly AnswerFrame[],
): AsyncGenerator<TextEvent, void, undefined> {
  for (let frames = first; ; frames = []) {
    if (frames.length === 0) frames = await moving.pull();
    const folded = fold.push(frames);
    count.tokens(folded.tokens);
    settle(moving, folded);
    yield* folded.events;
    if (folded.state !== "running") return;
  }
}

/** Tells the agent what follows from the frames, before anyone waits for the client. */
function settle({ answers, resumable }: MovingGeneration, { cancel, state }: FoldedFrames): void {
  if (state === "stopped-here" && !resumable) {
    answers.reset("a stop string is complete");
    return;
  }
  for (const choice of cancel) answers.cancelChoice(choice); // what there is of them stays where it can be resumed
  if (state !== "running") answers.end();
}

interface CountedGeneration {
  readonly model: string;
  readonly arrivedMs: number;
  readonly choices: number;
  readonly trace: GenerationSpan;
}

/** A generation's metrics, from its acceptance to its disposal. */
class GenerationCount implements Disposable {
  readonly #metrics: GenerationDeps["metrics"];
  readonly #clock: Clock;
  readonly #labels: { readonly model: string };
  readonly #choices: number;
  readonly #trace: GenerationSpan;
  #lastMs: number;
  #sawToken = false;
  #settled = false;

  constructor(deps: GenerationDeps, options: CountedGeneration) {
    this.#metrics = deps.metrics;
    this.#clock = deps.clock;
    this.#labels = { model: options.model };
    this.#choices = options.choices;
    this.#trace = options.trace;
    this.#lastMs = options.arrivedMs;
    this.#metrics.generationsInFlight.add(this.#labels, 1);
  }

  started(promptTokens: number): void {
    this.#metrics.promptTokens.inc(this.#labels, promptTokens);
  }

  /** Tokens that came together. */
  tokens(tokens: number): void {
    if (tokens === 0) return;
    const nowMs = this.#clock.now();
    const seconds = (nowMs - this.#lastMs) / 1000;
    this.#trace.tokens(tokens, nowMs);
    this.#lastMs = nowMs;
    this.#metrics.completionTokens.inc(this.#labels, tokens);
    if (this.#sawToken) this.#metrics.interToken.observe(this.#labels, seconds / Math.ceil(tokens / this.#choices));
    else this.#metrics.timeToFirstToken.observe(this.#labels, seconds);
    this.#sawToken = true;
  }

  /** Finished or failed: nobody canceled it. */
  settled(): void {
    this.#settled = true;
  }

  [Symbol.dispose](): void {
    this.#metrics.generationsInFlight.add(this.#labels, -1);
    if (!this.#settled) this.#metrics.generationsCanceled.inc(this.#labels);
  }
}
