/** A scheduler and its stages in one thread, results held back at will, and everything watched that must hold. Pure. */
import { GREEDY } from "../../../../core/model/sampling-parameters.ts";
import type { Step, StepResult } from "../../../../core/wire/step.ts";
import { createCounters } from "../../../../node-agent/generation/generation-counters.ts";
import type { GenerationEvent } from "../../../../node-agent/generation/generation-event.ts";
import { GenerationScheduler } from "../../../../node-agent/generation/generation-scheduler.ts";
import type { SchedulerOptions } from "../../../../node-agent/generation/scheduler-options.ts";
import { expectedTokens, StageModel } from "./stage-model.ts";

export const VOCAB_SIZE = 30;

export interface Order {
  readonly promptTokens: number;
  /** The prompt begins with so many ids that all prompts of this kind begin with. */
  readonly likeOthers?: number;
  readonly choices?: number;
  readonly tokensMax?: number;
  readonly stopIds?: readonly number[];
  readonly tenant?: string;
  readonly deadlineInMs?: number;
  /** Tokens of each choice that were generated elsewhere, if it has so many and one more. */
  readonly begunTokens?: number;
}

export interface Watched {
  readonly key: number;
  readonly promptIds: Int32Array;
  readonly order: Order;
  readonly tokens: readonly number[][];
  /** Per choice how it ended. */
  readonly ends: (string | undefined)[];
  /** Choices that have had a token from the slot that they are in. */
  readonly decoding: Set<number>;
  paused: boolean;
}

export interface WorldOptions extends Partial<SchedulerOptions> {
  /** Microseconds that each stage takes; 1,000 a token unless said. */
  readonly stageUs?: (step: Step) => number;
}

export class World {
  readonly options: SchedulerOptions;
  readonly scheduler: GenerationScheduler;
  readonly counters = createCounters();
  model: StageModel;
  /** All steps ever submitted. */
  readonly steps: Step[] = [];
  readonly generations: Watched[] = [];
  readonly #results: StepResult[] = [];
  readonly #newModel: () => StageModel;
  #epoch: number;
  nowMs = 0;
  #chunksSinceDecode = 0;

  constructor(options: WorldOptions = {}) {
    const { stageUs = (step) => 1_000 * ("tokens" in step.run ? step.run.tokens.length : 1), ...given } = options;
    this.options = {
      epoch: 7,
      stages: 1,
      slots: 4,
      contextLength: 64,
      decodeRowsMin: 1,
      queueMax: 1_000,
      prefillBudgetMs: { besideDecode: 50, alone: 100, rebuilding: 200 },
      prefixCacheTokens: 0,
      ...given,
    };
    this.scheduler = new GenerationScheduler(this.options, this.counters);
    this.#newModel = () => new StageModel({ ...this.options, vocabSize: VOCAB_SIZE, stageUs });
    this.#epoch = this.options.epoch;
    this.model = this.#newModel();
  }

  get inFlight(): number {
    return this.#results.length;
  }

  get decodesInFlight(): number {
    return this.steps.slice(this.steps.length - this.#results.length).filter((step) => step.run.kind === "decode").length;
  }

  get newest(): Step {
    const step = this.steps.at(-1);
    if (step === undefined) throw new Error("no step was submitted");
    return step;
  }

  submit(order: Order): Watched {
    const key = this.generations.length;
    const promptIds = Int32Array.from({ length: order.promptTokens }, (_, index) => {
      const own = index < (order.likeOthers ?? 0) ? 0 : key;
      return (own * 7 + index * 3 + 1) % VOCAB_SIZE;
    });
    const choices = order.choices ?? 1;
    const sampling = { ...GREEDY, frequencyPenalty: 0.5, seed: BigInt(key) }; // so that output ids are told to new stages
    const begun = Array.from({ length: order.begunTokens === undefined ? 0 : choices }, (_, choice) => {
      const { ids } = this.#wanted(key, promptIds, order, choice);
      return { outputIds: Int32Array.from(ids.slice(0, Math.min(order.begunTokens ?? 0, ids.length - 1))), over: false };
    });
    const watched: Watched = {
      key,
      promptIds,
      order,
      tokens: Array.from({ length: choices }, (_, choice) => [...(begun[choice]?.outputIds ?? [])]),
      ends: Array.from({ length: choices }, () => undefined),
      decoding: new Set(),
      paused: false,
    };
    this.generations.push(watched);
    this.scheduler.offer(
      {
        key,
        tenant: order.tenant ?? "public",
        promptIds,
        choices,
        tokensMax: order.tokensMax ?? 5,
        stopIds: order.stopIds ?? [],
        sampling,
        begun,
        deadlineMs: order.deadlineInMs === undefined ? undefined : this.nowMs + order.deadlineInMs,
      },
      this.nowMs,
    );
    this.pump();
    return watched;
  }

  cancel(watched: Watched): void {
    this.scheduler.cancel(watched.key);
    for (const [choice, end] of watched.ends.entries()) watched.ends[choice] = end ?? "canceled";
    this.pump();
  }

  cancelChoice(watched: Watched, choice: number): void {
    const ended = this.scheduler.cancelChoice(watched.key, choice);
    if (ended !== (choice < watched.ends.length && watched.ends[choice] === undefined)) throw new Error("cancelChoice says what it did");
    if (ended) watched.ends[choice] = "canceled";
    this.pump();
  }

  setPaused(watched: Watched, paused: boolean): void {
    if (paused) this.scheduler.pause(watched.key);
    else this.scheduler.resume(watched.key);
    watched.paused = paused;
    this.pump();
  }

  park(watched: Watched): void {
    this.scheduler.park(watched.key);
    watched.decoding.clear();
    this.pump();
  }

  /** The stages die with all that is under way; others take their place. */
  restart(): void {
    this.#results.length = 0;
    for (const { decoding } of this.generations) decoding.clear();
    this.#epoch += 1;
    this.model = this.#newModel();
    this.scheduler.restart(this.#epoch);
    this.scheduler.admit();
    this.pump();
  }

  pass(byMs: number): void {
    this.nowMs += byMs;
    for (const event of this.scheduler.expire(this.nowMs)) this.#take(event);
    this.pump();
  }

  /** Brings the oldest result back. @returns whether there was one. */
  deliver(): boolean {
    const result = this.#results.shift();
    if (result === undefined) return false;
    for (const event of this.scheduler.completed(result)) this.#take(event);
    this.pump();
    return true;
  }

  /** Delivers until nothing is under way. */
  drain(stepsMax = 20_000): void {
    for (let steps = 0; this.deliver(); steps++) if (steps > stepsMax) throw new Error("the scheduler never comes to rest");
  }

  pump(): void {
    for (let step = this.scheduler.next(this.nowMs); step !== undefined; step = this.scheduler.next(this.nowMs)) {
      this.#watch(step);
      this.steps.push(step);
      this.#results.push(this.model.run(step));
      this.scheduler.check();
    }
    this.scheduler.check();
  }

  /** All generations have ended as they would have alone, and nothing is left behind. */
  expectRest(): void {
    for (const watched of this.generations) this.#expectEnded(watched);
    const { prefixCacheTokens, slots } = this.options;
    const mayStay = prefixCacheTokens === 0 ? 0 : prefixCacheTokens + slots; // an idle row behind each
    const held = Math.max(0, this.model.heldTokens - mayStay);
    const left = { ...this.scheduler.load(), held, inFlight: this.inFlight };
    if (Object.values(left).some((count) => count !== 0)) throw new Error(`left behind: ${JSON.stringify(left)}`);
  }

  /** What a choice comes to when nothing ends it early. */
  #wanted(key: number, promptIds: Int32Array, order: Order, choice: number) {
    const most = Math.min(order.tokensMax ?? 5, this.options.contextLength - promptIds.length);
    const whole = expectedTokens(promptIds, most, { seed: BigInt(key), choice, vocabSize: VOCAB_SIZE });
    const stopAt = whole.findIndex((id) => order.stopIds?.includes(id));
    return stopAt < 0 ? { ids: whole, reason: "length" } : { ids: whole.slice(0, stopAt + 1), reason: "stop" };
  }

  #expectEnded({ key, promptIds, order, tokens, ends }: Watched): void {
    for (const [choice, seen] of tokens.entries()) {
      const { ids: wanted, reason } = this.#wanted(key, promptIds, order, choice);
      const end = ends[choice];
      if (end === undefined) throw new Error(`generation ${key} choice ${choice} never ended`);
      const finished = end === "stop" || end === "length";
      if (finished && end !== reason) throw new Error(`generation ${key} choice ${choice} ended by ${end}`);
      const expected = finished ? wanted : wanted.slice(0, seen.length);
      if (seen.join() !== expected.join())
        throw new Error(`generation ${key} choice ${choice}: ${seen.join()} instead of ${expected.join()}`);
    }
  }

  #take(event: GenerationEvent): void {
    const watched = this.generations[event.key];
    if (watched === undefined) throw new Error(`an event of generation ${event.key}, which was never submitted`);
    if (event.kind === "expired") {
      for (const [choice, end] of watched.ends.entries()) watched.ends[choice] = end ?? "expired";
      return;
    }
    const choice = event.kind === "token" ? event.token.choice : event.choice;
    const seen = watched.tokens[choice];
    if (seen === undefined || watched.ends[choice] !== undefined) throw new Error(`generation ${event.key} choice ${choice} had ended`);
    if (event.kind === "finished") watched.ends[choice] = event.reason;
    else if (event.token.position !== seen.length) throw new Error(`position ${event.token.position} came after ${seen.length} tokens`);
    else seen.push(event.token.id);
    watched.decoding.add(choice);
  }

  #watch(step: Step): void {
    if (step.run.kind === "decode") this.#chunksSinceDecode = 0;
    if (step.run.kind !== "prefill" && step.run.kind !== "replay") return;
    this.#chunksSinceDecode += 1;
    const decoding = this.generations.some(
      ({ paused, decoding, ends }) => !paused && ends.some((end, choice) => end === undefined && decoding.has(choice)),
    );
    if (decoding && this.#chunksSinceDecode > 1) throw new Error("two chunks between decode runs");
  }
}
