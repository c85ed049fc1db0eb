/**
 * Decides what the stages of a replica do next: which prompts get slots, which prefill chunk runs, which rows decode. The engine
 * submits its steps and brings back their results. It outlives the stages: with new ones, what held a slot goes on where it was. Pure.
 *
 * What holds between calls (`check` asserts it):
 * - All bookkeeping is as after every submitted step. Stages run steps in the order of submission, so a slot may be copied,
 *   released or given away as soon as its owner leaves: steps under way still find it as they were planned. A token that comes
 *   back belongs to the sequence that the step's own record names; it is dropped when that sequence has ended since.
 * - A micro-batch is under way once at most, so each of its sequences waits for its token. Chunks of one prompt need no tokens from
 *   each other, so they may follow one another through the stages.
 * - While something decodes there is at most one chunk, of a prompt or a replay, between two decode runs.
 */
import { assert } from "../../core/errors.ts";
import type { Step, StepResult, StepToken } from "../../core/wire/step.ts";
import { type Entrance, enterSlot } from "./admission.ts";
import { planDecode } from "./decode-run.ts";
import type { MutableCounters } from "./generation-counters.ts";
import { finishReason, type GenerationEvent } from "./generation-event.ts";
import { createMicroBatches, hasDecoding, type MicroBatch, nextToDecode } from "./micro-batch.ts";
import { noteAdmission, noteStep } from "./note-timing.ts";
import { planChunk } from "./plan-chunk.ts";
import { choosePrompt } from "./prompt-order.ts";
import { RunCosts } from "./run-costs.ts";
import { checkOptions, type SchedulerOptions } from "./scheduler-options.ts";
import type { Generation, GenerationOffer, Sequence, SequenceLoad } from "./sequence.ts";
import { checkGenerations, clientLoad, createGeneration, earliestDeadlineMs } from "./sequence.ts";
import { moveThatPays } from "./slot-moves.ts";
import { SlotTable } from "./slot-table.ts";
import { type StepInFlight, StepsInFlight } from "./steps-in-flight.ts";
import { WaitingLine } from "./waiting-line.ts";

type BeforeRun = Pick<Step, "releases"> & Partial<Pick<Step, "copies" | "admissions">>;

export class GenerationScheduler {
  readonly #options: SchedulerOptions;
  readonly #counters: MutableCounters;
  #table: SlotTable;
  #batches: readonly MicroBatch[];
  #waiting = new WaitingLine();
  #inFlight: StepsInFlight;
  readonly #costs = new RunCosts();
  readonly #generations = new Map<number, Generation>();
  /** Who decoded last. */
  #turn: MicroBatch | undefined;
  #chunkSinceDecode = false;

  constructor(options: SchedulerOptions, counters: MutableCounters) {
    const { slots, stages, epoch, prefixCacheTokens } = options;
    checkOptions(options);
    this.#options = options;
    this.#counters = counters;
    this.#table = new SlotTable(slots, prefixCacheTokens);
    this.#batches = createMicroBatches(slots, stages);
    this.#inFlight = new StepsInFlight(epoch);
  }

  /** Of clients. */
  load(): SequenceLoad {
    return clientLoad(this.#generations.values());
  }

  /** Whether so many choices more would still be within the queue's limit. */
  hasRoomFor(choices: number): boolean {
    return this.#waiting.count + choices <= this.#table.freeCount + this.#options.queueMax;
  }

  /** Takes a generation in, whether there is room or not: the caller asks first. Its values are checked ones. */
  offer(offer: GenerationOffer, nowMs: number): void {
    assert(!this.#generations.has(offer.key), `generation ${offer.key} is offered once`);
    const generation = createGeneration(offer, nowMs);
    this.#generations.set(offer.key, generation);
    for (const sequence of generation.sequences) if (sequence.phase === "queued") this.#waiting.add(sequence);
  }

  /**
   * The stages are new and empty: steps under way never come back, and what held a slot waits for one again, in the old order,
   * until `admit`: a canary goes first.
   * @returns what was under way, see StepsInFlight
   */
  restart(epoch: number): ReadonlyMap<Sequence, number> {
    const { slots, stages, prefixCacheTokens } = this.#options;
    const runs = this.#inFlight.runs();
    this.#table = new SlotTable(slots, prefixCacheTokens);
    this.#batches = createMicroBatches(slots, stages);
    this.#inFlight = new StepsInFlight(epoch);
    this.#waiting = new WaitingLine();
    this.#waiting.held = true;
    this.#chunkSinceDecode = false;
    for (const { sequences } of this.#generations.values()) for (const sequence of sequences) this.#queueAgain(sequence);
    return runs;
  }

  admit(): void {
    this.#waiting.held = false;
  }

  /** Ends all choices that have not ended: no event of theirs follows. */
  cancel(key: number): void {
    const generation = this.#generations.get(key);
    if (generation !== undefined) for (const sequence of generation.sequences) this.#end(sequence);
  }

  /** @returns whether it ended the choice: false for one that has ended before. */
  cancelChoice(key: number, choice: number): boolean {
    const sequence = this.#generations.get(key)?.sequences[choice];
    return sequence !== undefined && this.#end(sequence);
  }

  /** No new step takes the generation up until it is resumed; it keeps its slots, and tokens under way still come. */
  pause(key: number): void {
    const generation = this.#generations.get(key);
    if (generation !== undefined) generation.paused = true;
  }

  resume(key: number): void {
    const generation = this.#generations.get(key);
    if (generation === undefined) return;
    generation.paused = false;
    for (const sequence of generation.sequences) if (sequence.phase === "parked") this.#queueAgain(sequence);
  }

  /** Gives the slots of a paused generation away unless it has runs under way; resumed, it waits for others and builds its cache again. */
  park(key: number): void {
    const generation = this.#generations.get(key);
    const underWay = this.#inFlight.runs();
    if (generation?.paused !== true || generation.sequences.some((sequence) => underWay.has(sequence))) return;
    for (const sequence of generation.sequences) {
      if (sequence.phase === "queued") this.#waiting.remove(sequence);
      else if (sequence.slot !== undefined) this.#table.leave(sequence);
      if (sequence.phase !== "ended") sequence.phase = "parked";
    }
  }

  /** When the earliest deadline is; undefined: there is none. */
  nextDeadlineMs(): number | undefined {
    return earliestDeadlineMs(this.#generations.values());
  }

  /** Ends generations whose deadline has come. */
  expire(nowMs: number): readonly GenerationEvent[] {
    const overdue = [...this.#generations.values()].filter(({ offer }) => (offer.deadlineMs ?? Number.POSITIVE_INFINITY) <= nowMs);
    for (const { offer } of overdue) this.cancel(offer.key);
    return overdue.map(({ offer }) => ({ kind: "expired", key: offer.key }));
  }

  /** Milliseconds that the oldest step under way should take, all stages together; undefined: none is under way. */
  oldestStepMs(): number | undefined {
    const oldest = this.#inFlight.oldest();
    if (oldest === undefined) return undefined;
    const { stages } = this.#options;
    switch (oldest.kind) {
      case "prefill":
      case "replay":
        return (oldest.tokens * this.#costs[oldest.kind].tokenUs * stages) / 1_000;
      case "decode":
        return this.#costs.decodeUs / 1_000;
      case "none":
        return 0;
    }
  }

  /** The step to submit now; undefined: none before something comes back or changes. To be called until it says so. */
  next(nowMs: number): Step | undefined {
    const decoding = this.#batches.some((batch) => hasDecoding(batch, this.#table));
    if (!decoding || !this.#chunkSinceDecode) {
      const chunk = this.#chunkStep(nowMs, decoding);
      if (chunk !== undefined) return chunk;
    }
    const batch = nextToDecode(this.#batches, this.#turn, this.#table);
    if (batch !== undefined) return this.#decodeStep(batch);
    if (this.#inFlight.count === 0 && this.#table.hasReleases())
      return this.#submit({ kind: "none" }, { kind: "none" }, { releases: this.#table.takeReleases() });
    return undefined;
  }

  /**
   * Takes the result of the oldest step under way.
   * @throws Error when it is not that: the stages do not do what they were told.
   */
  completed(result: StepResult): readonly GenerationEvent[] {
    const step = this.#inFlight.take(result);
    noteStep(step, result.stageUs);
    const events: GenerationEvent[] = [];
    switch (step.kind) {
      case "replay":
        this.#costs.replay.observe(step.tokens, result.stageUs);
        assert(result.tokens.length === 0, "a replay brings no token");
        break;
      case "prefill": {
        this.#costs.prefill.observe(step.tokens, result.stageUs);
        assert(result.tokens.length === (step.samples ? 1 : 0), "a prompt's last run, and only that, brings a token");
        for (const token of result.tokens) this.#takeToken(step.sequence, token, events);
        break;
      }
      case "decode": {
        this.#costs.observeDecode(result.stageUs);
        step.batch.inFlight = false;
        assert(result.tokens.length === step.rowsWanted, `a decode run of ${step.rowsWanted} rows brings as many tokens`);
        for (const token of result.tokens) this.#takeToken(step.sequences[token.slot - step.firstSlot], token, events);
        break;
      }
      case "none":
        break;
    }
    return events;
  }

  /** @throws Error when an invariant is broken: for tests, and for the engine when it is idle. */
  check(): void {
    this.#table.check();
    this.#inFlight.check(this.#batches);
    const { queued, holding } = checkGenerations(this.#generations.values(), this.#options.contextLength);
    assert(queued === this.#waiting.count, `${queued} sequences are queued, ${this.#waiting.count} stand in line`);
    const taken = this.#table.count - this.#table.freeCount;
    assert(holding === taken, `${holding} sequences hold ${taken} slots`);
  }

  #chunkStep(nowMs: number, decoding: boolean): Step | undefined {
    if (this.#inFlight.chunks >= this.#options.stages) return undefined;
    const sequence = choosePrompt(this.#table, this.#waiting, this.#costs);
    if (sequence === undefined) return undefined;
    const releases = this.#table.takeReleases();
    const entrance = sequence.phase === "queued" ? this.#admit(sequence, nowMs) : undefined;
    this.#chunkSinceDecode = true;
    const budgetMs = this.#options.prefillBudgetMs[sequence.rebuilding ? "rebuilding" : decoding ? "besideDecode" : "alone"];
    const { run, record } = planChunk(sequence, this.#costs, budgetMs, this.#counters);
    return this.#submit(run, record, { ...entrance, releases: [...releases, ...(entrance?.releases ?? [])] });
  }

  #decodeStep(batch: MicroBatch): Step {
    const releases = this.#table.takeReleases(); // before the move: its copy still reads the slot that it leaves
    const copy = moveThatPays(this.#table, batch, this.#batches);
    const { run, sequences, rowsIdle, rowsWanted } = planDecode(this.#table, batch, this.#options.decodeRowsMin);
    batch.inFlight = true;
    this.#turn = batch;
    this.#chunkSinceDecode = false;
    this.#counters.decodeRuns += 1;
    this.#counters.tokensDecoded += sequences.length - rowsIdle;
    this.#counters.rowsIdle += rowsIdle;
    this.#counters.tokensReplayed += sequences.length - rowsIdle - rowsWanted;
    const record = { kind: "decode", batch, firstSlot: run.firstSlot, sequences, rowsWanted } as const;
    return this.#submit(run, record, { releases, copies: copy === undefined ? [] : [copy] });
  }

  #submit(run: Step["run"], record: StepInFlight, { releases, copies = [], admissions = [] }: BeforeRun): Step {
    this.#counters.steps += 1;
    this.#counters.copies += copies.length;
    for (const copy of copies) this.#counters.tokensCopied += copy.tokens;
    return { ...this.#inFlight.add(record), releases, copies, admissions, run };
  }

  #admit(sequence: Sequence, nowMs: number): Entrance {
    this.#waiting.enter(sequence);
    const entrance = enterSlot(sequence, this.#table, this.#batches);
    this.#counters.admitted += 1;
    this.#counters.tokensShared += sequence.cached;
    noteAdmission(sequence, nowMs);
    this.#counters.queueWaitMs += nowMs - sequence.generation.arrivedMs;
    return entrance;
  }

  #queueAgain(sequence: Sequence): void {
    if (sequence.phase === "ended" || (sequence.phase === "parked" && sequence.generation.paused)) return;
    sequence.slot = undefined;
    sequence.cached = 0;
    sequence.rebuilding = sequence.phase !== "parked" && sequence.outputIds.length > 0;
    sequence.phase = "queued";
    this.#waiting.add(sequence);
  }

  #takeToken(sequence: Sequence | undefined, token: StepToken, events: GenerationEvent[]): void {
    assert(sequence !== undefined, `slot ${token.slot} was asked for a token`);
    if (sequence.phase === "ended") return;
    const { outputIds } = sequence;
    assert(token.position === outputIds.length, `position ${outputIds.length} comes next, not ${token.position}`);
    const { offer } = sequence.generation;
    sequence.phase = "decoding";
    outputIds.push(token.id);
    this.#counters.tokensEmitted += 1;
    const { position, id, logprob, topLogprobs } = token;
    events.push({ kind: "token", key: offer.key, token: { choice: sequence.choice, position, id, logprob, topLogprobs } });
    const reason = finishReason(sequence, this.#options.contextLength);
    if (reason === undefined) return;
    this.#end(sequence);
    events.push({ kind: "finished", key: offer.key, choice: sequence.choice, reason });
  }

  #end(sequence: Sequence): boolean {
    if (sequence.phase === "ended") return false;
    if (sequence.phase === "queued") this.#waiting.remove(sequence);
    else if (sequence.slot !== undefined) this.#table.leave(sequence);
    sequence.phase = "ended";
    const { generation } = sequence;
    generation.live -= 1;
    if (generation.live === 0) this.#generations.delete(generation.offer.key);
    return true;
  }
}
