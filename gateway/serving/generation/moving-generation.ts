/**
 * A generation's frames, wherever it runs. When its lead is lost it is placed again, there or elsewhere, with the ids that have
 * come: whoever pulls waits and gets the next token. What the old lead still sends arrives on a stream that nobody reads; so one that
 * is only silent may be left too early, at the price of a cache, and is where another replica is ready.
 */

import { sleep } from "../../../core/clock.ts";
import { LINK_LOST, ServingError } from "../../../core/errors.ts";
import { failureOf } from "../../../core/messages/failed-answer.ts";
import type { AnswerFrame, BegunChoice } from "../../../core/messages/generation.ts";
import type { Metrics } from "../../../core/telemetry/metrics.ts";
import { attachGeneration } from "./attached-generation.ts";
import { endsReached } from "./ends-reached.ts";
import type { GenerationRecord } from "./generation-record.ts";
import { hasSpareElsewhere, type PlacedGeneration, type PlacementDeps, placeGeneration } from "./placed-generation.ts";
import type { TextRequest } from "./text-generation.ts";

/** Until a replica is back, or another one has room. */
const WAIT_MS_MAX = 30_000;
const LOOK_AGAIN_MS = 100;

export interface MovingDeps extends PlacementDeps {
  readonly metrics: Pick<Metrics, "generationsRerouted" | "generationsMoved">;
}

export interface MovingOptions {
  readonly request: TextRequest;
  readonly arrivedMs: number;
  /** Where it has begun; disposed of with this. */
  readonly placed: PlacedGeneration;
  /** Of a resumable one. */
  readonly record: GenerationRecord | undefined;
  /** What its reader has by now. */
  readonly begun: () => readonly BegunChoice[];
  readonly signal: AbortSignal;
}

export class MovingGeneration implements Disposable {
  readonly #options: MovingOptions;
  readonly #deps: MovingDeps;
  #placed: PlacedGeneration;
  #lost: ServingError | undefined;
  /** Since the last token. */
  #moves = 0;

  constructor(options: MovingOptions, deps: MovingDeps) {
    this.#options = options;
    this.#deps = deps;
    this.#placed = options.placed;
    this.answers.onSuspected(this.#suspect);
  }

  get answers() {
    return this.#placed.answers;
  }

  /** Its lead keeps it when nobody reads. */
  get resumable(): boolean {
    return this.#placed.submit.resumable !== undefined;
  }

  /**
   * The frames that are there, at least one.
   * @throws the signal's reason; ServingError as the lead failed with, when that is final or nothing takes its place.
   */
  async pull(): Promise<readonly AnswerFrame[]> {
    for (;;) {
      const frames = this.#lost === undefined ? await this.#frames() : [];
      if (frames.some(({ kind }) => kind === "tokens")) this.#moves = 0;
      if (frames.length > 0) {
        this.#options.record?.renew(this.#placed.replica);
        return frames;
      }
      const ends = endsReached(this.#placed.submit, this.#options.begun());
      if (ends.length > 0) return ends;
      await this.#move();
    }
  }

  [Symbol.dispose](): void {
    this.#placed[Symbol.dispose]();
  }

  /** One that has moved too often waits for certainty. */
  readonly #suspect = (): void => {
    const { node } = this.#placed.replica;
    if (this.#moves >= this.#deps.migrationLimit() || !hasSpareElsewhere(this.#placed, this.#deps)) return;
    this.answers.fail(new ServingError("UNAVAILABLE", `node ${node} is silent: send the request again`));
  };

  /** Empty when the lead is lost. */
  async #frames(): Promise<readonly AnswerFrame[]> {
    try {
      const frames = await this.#placed.answers.pull();
      const end = frames.findIndex((frame) => frame.kind === "failed" && frame.code === "UNAVAILABLE");
      const failed = frames[end];
      if (failed?.kind === "failed") this.#lost = failureOf(failed);
      if (frames.length > 0) return end < 0 ? frames : frames.slice(0, end);
      const message = `node ${this.#placed.replica.node} ended the stream before the generation was over`;
      throw new ServingError("INTERNAL", message);
    } catch (thrown) {
      this.#options.signal.throwIfAborted();
      if (!(thrown instanceof ServingError && thrown.code === "UNAVAILABLE" && thrown.reason !== "unread")) throw thrown;
      this.#lost = thrown;
      return [];
    }
  }

  /** @throws what the lead was lost with when nothing takes its place in time. */
  async #move(): Promise<void> {
    const { request, arrivedMs, begun, signal } = this.#options;
    const { clock, metrics } = this.#deps;
    const from = this.#placed;
    from[Symbol.dispose]();
    const untilMs = clock.now() + WAIT_MS_MAX;
    if (await this.#attached()) return;
    request.explanation?.left(from.replica, this.#lost?.message ?? "it ended early");
    for (;;) {
      if (this.#lost !== undefined && this.#moves >= this.#deps.migrationLimit()) throw this.#lost;
      try {
        this.#placed = await placeGeneration(request, arrivedMs, this.#deps, signal, { from, begun: begun() });
        await this.#options.record?.moved(this.#placed.replica);
        break;
      } catch (thrown) {
        const passes = thrown instanceof ServingError && (thrown.code === "UNAVAILABLE" || thrown.code === "RESOURCE_EXHAUSTED");
        if (signal.aborted || !passes) throw thrown;
        if (clock.now() >= untilMs) throw this.#lost ?? thrown;
      }
      await sleep(clock, LOOK_AGAIN_MS, signal);
    }
    this.answers.onSuspected(this.#suspect);
    this.#lost = undefined;
    this.#moves += 1;
    metrics.generationsMoved.inc({ model: request.model });
  }

  /** A lead that only the link was lost to has gone on meanwhile, where the generation is resumable. */
  async #attached(): Promise<boolean> {
    const { request, begun, signal } = this.#options;
    if (!this.resumable || this.#lost?.reason !== LINK_LOST) return false;
    const { submit, replica } = this.#placed;
    const from = begun().map(({ outputIds }) => outputIds.length);
    const attaching = { generation: submit.generation, tenant: request.tenant, from };
    try {
      const attached = await attachGeneration(attaching, replica, this.#deps.submitter, signal);
      if (attached.kind !== "attached") return false;
      using undo = new DisposableStack();
      const { answers } = attached;
      undo.use(answers);
      undo.use(this.#deps.inFlight.begin(replica.replica));
      const kept = undo.move();
      this.#placed = { ...this.#placed, answers, [Symbol.dispose]: () => kept.dispose() };
    } catch (thrown) {
      signal.throwIfAborted();
      if (thrown instanceof ServingError && thrown.code === "UNAVAILABLE") return false;
      throw thrown;
    }
    this.#lost = undefined;
    return true;
  }
}
