/** The use case behind every door that makes text: place the generation, fold its tokens to text, end it where it is to end. */
import { deadlineSignal, linkedSignal } from "../../core/abort.ts";
import type { Clock } from "../../core/clock.ts";
import { ServingError } from "../../core/errors.ts";
import type { Metrics } from "../../core/telemetry/metrics.ts";
import { textFold } from "../text/text-fold.ts";
import type { AnswerStream } from "./answer-stream.ts";
import { ChoiceFold, type FoldedFrames } from "./choice-fold.ts";
import { GenerationSpan } from "./generation-span.ts";
import { type MovingDeps, MovingGeneration } from "./moving-generation.ts";
import { type PlacedGeneration, placeGeneration } from "./placed-generation.ts";
import type { TextEvent, TextGeneration, TextRequest } from "./text-generation.ts";

export interface GenerationDeps extends MovingDeps {
  readonly metrics: Pick<
    Metrics,
    | "generationsRerouted"
    | "generationsMoved"
    | "timeToFirstToken"
    | "interToken"
    | "promptTokens"
    | "completionTokens"
    | "generationsCanceled"
    | "generationsInFlight"
  >;
}

export function createTextGeneration(deps: GenerationDeps): TextGeneration {
  return { generate: (request, signal) => generate(request, deps, signal) };
}

async function* generate(asked: TextRequest, deps: GenerationDeps, signal: AbortSignal): AsyncGenerator<TextEvent, void, undefined> {
  const arrivedMs = deps.clock.now();
  using trace = new GenerationSpan(asked, deps, arrivedMs);
  const request = trace.request;
  using scope = request.deadlineMs === undefined ? linkedSignal(signal) : deadlineSignal(deps.clock, request.deadlineMs, signal);
  try {
    const placed = await placeGeneration(request, arrivedMs, deps, scope.signal);
    const fold = foldOf(request, placed);
    using moving = new MovingGeneration({ request, arrivedMs, placed, begun: () => fold.begun(), signal: scope.signal }, deps);
    using count = new GenerationCount(deps, { model: request.model, arrivedMs, choices: request.choices, trace });
    yield {
      kind: "started",
      generation: placed.submit.generation,
      model: request.model,
      version: placed.replica.version,
      promptTokens: placed.submit.promptIds.length,
    };
    count.started(placed.submit.promptIds.length);
    try {
      yield* events(moving, fold, count);
      count.settled();
    } catch (thrown) {
      if (!scope.signal.aborted) count.settled();
      throw thrown;
    }
  } catch (thrown) {
    const error = ServingError.from(thrown);
    trace.failed(error);
    throw error;
  }
}

function foldOf(request: TextRequest, { model }: PlacedGeneration): ChoiceFold {
  return new ChoiceFold(textFold(model.tokenizer.table, request.stop, { textStart: request.prompt.kind === "chat" }), request.choices);
}

async function* events(moving: MovingGeneration, fold: ChoiceFold, count: GenerationCount): AsyncGenerator<TextEvent, void, undefined> {
  for (;;) {
    const frames = await moving.pull();
    const folded = fold.push(frames);
    count.tokens(folded.tokens);
    settle(moving.answers, folded);
    yield* folded.events;
    if (folded.state !== "running") return;
  }
}

/** Tells the agent what follows from the frames, before anyone waits for the client. */
function settle(answers: AnswerStream, { cancel, state }: FoldedFrames): void {
  for (const choice of cancel) answers.cancelChoice(choice);
  if (state === "finished") answers.end();
  if (state === "stopped-here") answers.reset("a stop string is complete");
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
