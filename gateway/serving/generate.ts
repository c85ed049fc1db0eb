/** The use case behind every door that makes text: place the generation, fold its tokens to text, end it where it is to end. */
import { deadlineSignal, linkedSignal } from "../../core/abort.ts";
import type { Clock } from "../../core/clock.ts";
import { ServingError } from "../../core/errors.ts";
import type { AnswerFrame } from "../../core/messages/generation.ts";
import type { Metrics } from "../../core/telemetry/metrics.ts";
import { textFold } from "../text/text-fold.ts";
import type { AnswerStream } from "./answer-stream.ts";
import { ChoiceFold, type FoldedFrames } from "./choice-fold.ts";
import { type PlacedGeneration, type PlacementDeps, placeGeneration } from "./placed-generation.ts";
import type { TextEvent, TextGeneration, TextRequest } from "./text-generation.ts";

export interface GenerationDeps extends PlacementDeps {
  readonly metrics: Pick<
    Metrics,
    | "generationsRerouted"
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

async function* generate(request: TextRequest, deps: GenerationDeps, signal: AbortSignal): AsyncGenerator<TextEvent, void, undefined> {
  const arrivedMs = deps.clock.now();
  using scope = request.deadlineMs === undefined ? linkedSignal(signal) : deadlineSignal(deps.clock, request.deadlineMs, signal);
  try {
    using placed = await placeGeneration(request, arrivedMs, deps, scope.signal);
    using count = new GenerationCount(deps, { model: request.model, arrivedMs, choices: request.choices });
    yield {
      kind: "started",
      generation: placed.submit.generation,
      model: request.model,
      version: placed.replica.version,
      promptTokens: placed.submit.promptIds.length,
    };
    count.started(placed.submit.promptIds.length);
    try {
      yield* events(request, placed, count);
      count.settled();
    } catch (thrown) {
      if (!scope.signal.aborted) count.settled();
      throw thrown;
    }
  } catch (thrown) {
    throw ServingError.from(thrown);
  }
}

async function* events(request: TextRequest, placed: PlacedGeneration, count: GenerationCount): AsyncGenerator<TextEvent, void, undefined> {
  const { answers, model } = placed;
  const text = textFold(model.tokenizer.table, request.stop, { textStart: request.prompt.kind === "chat" });
  const fold = new ChoiceFold(text, request.choices);
  for (;;) {
    const frames = await answers.pull();
    const folded = fold.push(checked(frames, placed));
    count.tokens(folded.tokens);
    settle(answers, folded);
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

function checked(frames: readonly AnswerFrame[], { replica }: PlacedGeneration): readonly AnswerFrame[] {
  if (frames.length > 0) return frames;
  throw new ServingError("INTERNAL", `node ${replica.node} ended the stream before the generation was over`);
}

/** A generation's metrics, from its acceptance to its disposal. */
class GenerationCount implements Disposable {
  readonly #metrics: GenerationDeps["metrics"];
  readonly #clock: Clock;
  readonly #labels: { readonly model: string };
  readonly #choices: number;
  #lastMs: number;
  #sawToken = false;
  #settled = false;

  constructor(deps: GenerationDeps, options: { readonly model: string; readonly arrivedMs: number; readonly choices: number }) {
    this.#metrics = deps.metrics;
    this.#clock = deps.clock;
    this.#labels = { model: options.model };
    this.#choices = options.choices;
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
