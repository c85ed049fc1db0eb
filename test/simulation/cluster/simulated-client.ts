/** A client of a simulated gateway: asks, reads at its own pace, perhaps leaves, and holds every token against the model's own. */
import type { Clock } from "../../../core/clock.ts";
import { sleep } from "../../../core/clock.ts";
import { ServingError } from "../../../core/errors.ts";
import { GREEDY } from "../../../core/model/sampling-parameters.ts";
import type { TextEvent, TextGeneration, TextRequest } from "../../../gateway/serving/generation/text-generation.ts";
import { scriptedTokens } from "../../support/scripted/scripted-stage.ts";
import type { Dice } from "./dice.ts";
import { type ClusterShape, END_ID, MODEL, VOCAB_SIZE } from "./simulated-cluster.ts";

/** How a client reads and leaves. */
export interface Manner {
  /** Milliseconds between two events that it reads. */
  readonly readEveryMs: number;
  /** Stops reading after so many events, for so long; undefined: until it is woken. */
  readonly rest: { readonly afterEvents: number; readonly forMs: number | undefined } | undefined;
  /** Leaves the loop after so many events. */
  readonly leaveAfterEvents: number | undefined;
  /** Cancels so long after it has asked. */
  readonly cancelAfterMs: number | undefined;
}

/** As many as a request may have; each is one token. */
const STOPS = ["e", "n", "r", "s"];
/** A token each. */
const LETTERS = "abcdefghij klmnopq.";
const NEVER = new AbortController().signal;

/** Comes back for its stream at first, while it has waited for less than this in all. */
const COMES_BACK_MS_MAX = 30_000;
const COMES_BACK_AFTER_MS = 200;

export const POLITE: Manner = { readEveryMs: 0, rest: undefined, leaveAfterEvents: undefined, cancelAfterMs: undefined };

export function drawManner(dice: Dice): Manner {
  return {
    readEveryMs: dice.happens(0.15) ? dice.whole(20, 300) : 0,
    rest: dice.happens(0.1) ? { afterEvents: dice.whole(1, 10), forMs: dice.happens(0.2) ? undefined : dice.whole(500, 5_000) } : undefined,
    leaveAfterEvents: dice.happens(0.06) ? dice.whole(1, 12) : undefined,
    cancelAfterMs: dice.happens(0.12) ? dice.whole(0, 800) : undefined,
  };
}

export function drawRequest(dice: Dice, shape: ClusterShape): TextRequest {
  const { slots, contextLength } = shape;
  const promptTokens = dice.happens(0.2) ? dice.whole(1, contextLength - 30) : dice.whole(1, 20);
  const room = contextLength - promptTokens;
  const tokensMax = dice.happens(0.2) ? undefined : dice.happens(0.2) ? dice.whole(1, room) : dice.whole(1, Math.min(room, 40));
  return {
    model: MODEL,
    tenant: `tenant ${dice.whole(0, 2)}`,
    prompt: dice.happens(0.2)
      ? { kind: "text", text: Array.from({ length: promptTokens }, () => dice.pick([...LETTERS])).join("") }
      : { kind: "ids", ids: Array.from({ length: promptTokens }, () => dice.whole(0, VOCAB_SIZE - 1)) },
    choices: dice.happens(0.25) ? dice.whole(1, slots) : 1,
    tokensMax,
    stop: dice.happens(0.3) ? STOPS : [],
    sampling: { ...GREEDY, seed: dice.seed() },
    deadlineMs: dice.happens(0.15) ? dice.whole(50, 4_000) : undefined,
    traceparent: "",
  };
}

/** A text's tokens are its bytes. */
export function promptIdsOf({ prompt }: TextRequest): readonly number[] {
  if (prompt.kind === "ids") return prompt.ids;
  return prompt.kind === "text" ? [...new TextEncoder().encode(prompt.text)] : [];
}

/** What a choice must come to, whatever happens on the way. */
function wantedChoice(request: TextRequest, choice: number, contextLength: number) {
  const promptIds = promptIdsOf(request);
  const tokensMax = request.tokensMax ?? contextLength - promptIds.length;
  const ids = scriptedTokens(promptIds, tokensMax, { seed: request.sampling.seed, choice, vocabSize: VOCAB_SIZE });
  const stopIds = [END_ID, ...request.stop.map((text) => text.charCodeAt(0))];
  const end = ids.findIndex((id) => stopIds.includes(id));
  return { ids: end === -1 ? ids : ids.slice(0, end + 1), reason: end === -1 ? "length" : "stop" };
}

interface Choice {
  readonly wanted: { readonly ids: readonly number[]; readonly reason: string };
  tokens: number;
  finishedMs: number | undefined;
}

export class SimulatedClient {
  readonly name: string;
  readonly request: TextRequest;
  readonly manner: Manner;
  readonly startedMs: number;
  /** When it was over, one way or another. */
  overMs: number | undefined;
  /** Whether it has left or canceled. */
  left = false;
  canceledMs: number | undefined;
  error: ServingError | undefined;
  tokens = 0;
  /** How often it has come back for its stream. */
  timesBack = 0;
  readonly #clock: Clock;
  readonly #violated: (what: string) => void;
  readonly #mayBeLost: () => boolean;
  readonly #choices: readonly Choice[];
  readonly #abort = new AbortController();
  /** By choice, the position of the last event. */
  readonly #told: number[] = [];
  /** Of a stream that can be resumed. */
  #generation = "";
  #accepted = false;
  #wake: (() => void) | undefined;

  constructor(name: string, request: TextRequest, options: ClientOptions) {
    this.name = name;
    this.request = request;
    this.manner = options.manner;
    this.#clock = options.clock;
    this.#violated = (what) => options.violated(`${name}: ${what}`);
    this.#mayBeLost = options.mayBeLost;
    this.startedMs = options.clock.now();
    this.#choices = Array.from({ length: request.choices }, (_, choice) => ({
      wanted: wantedChoice(request, choice, options.contextLength),
      tokens: 0,
      finishedMs: undefined,
    }));
  }

  /** Whether it has all that it asked for. */
  get complete(): boolean {
    return this.#choices.every(({ finishedMs }) => finishedMs !== undefined);
  }

  /** Reads whatever comes at once: when its answer comes depends on the cluster alone. */
  get attentive(): boolean {
    return this.manner.rest === undefined && this.manner.readEveryMs === 0;
  }

  /** Has stopped reading, until `wake`. */
  get asleep(): boolean {
    return this.#wake !== undefined && this.overMs === undefined;
  }

  /** Whether a replica has accepted it. */
  get accepted(): boolean {
    return this.#accepted;
  }

  /** Choices that a slot may be taken for: they are not over, or have been for at most `graceMs`. */
  choicesAlive(graceMs: number): number {
    const sinceMs = this.#clock.now() - graceMs;
    const isAlive = (endMs: number | undefined) => endMs === undefined || endMs >= sinceMs;
    const gone = this.overMs ?? this.canceledMs;
    return isAlive(gone) ? this.#choices.filter(({ finishedMs }) => isAlive(finishedMs)).length : 0;
  }

  wake(): void {
    this.#wake?.();
  }

  cancel(): void {
    if (this.overMs !== undefined) return;
    this.left = true;
    this.canceledMs = this.#clock.now();
    this.#abort.abort(new ServingError("CANCELLED", "the client has canceled"));
  }

  /** Resolves when it is over; never throws. @param another where a resumable stream goes on */
  async run(generation: TextGeneration, another: () => TextGeneration = () => generation): Promise<void> {
    const { readEveryMs, rest, leaveAfterEvents, cancelAfterMs } = this.manner;
    const takeBack = cancelAfterMs === undefined ? () => {} : this.#clock.after(cancelAfterMs, () => this.cancel());
    let events = 0;
    let stream = generation.generate(this.request, this.#abort.signal);
    for (;;) {
      this.error = undefined;
      try {
        for await (const event of stream) {
          this.#hear(event);
          events += 1;
          if (events === leaveAfterEvents) {
            this.left = true;
            break;
          }
          if (readEveryMs > 0) await sleep(this.#clock, readEveryMs, NEVER);
          if (rest?.afterEvents === events) await this.#rest(rest.forMs);
        }
      } catch (thrown) {
        if (thrown instanceof ServingError) this.error = thrown;
        else this.#violated(`it failed with ${String(thrown)}`);
      }
      if (!this.#comesBack) break;
      await sleep(this.#clock, COMES_BACK_AFTER_MS, this.#abort.signal).catch(() => {}); // whoever cancels has left
      if (this.left) break;
      const { tenant, traceparent } = this.request;
      this.timesBack += 1;
      stream = another().resume({ generation: this.#generation, tenant, told: [...this.#told], traceparent }, this.#abort.signal);
    }
    takeBack();
    this.overMs = this.#clock.now();
    this.#judgeEnd();
  }

  /** Whether the stream can be resumed and there is something to come back for. */
  get #comesBack(): boolean {
    const waitedMs = this.#clock.now() - this.startedMs;
    return this.error?.code === "UNAVAILABLE" && this.#generation !== "" && !this.left && waitedMs < COMES_BACK_MS_MAX;
  }

  async #rest(forMs: number | undefined): Promise<void> {
    if (forMs !== undefined) return await sleep(this.#clock, forMs, NEVER);
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
  }

  #hear(event: TextEvent): void {
    if (event.kind === "started") {
      if (this.#accepted && event.told !== true) this.#violated("it started twice");
      this.#accepted = true;
      if (event.resumable !== undefined) this.#generation = event.generation;
      return;
    }
    const told = this.#told[event.choice] ?? -1;
    if (event.told === true) {
      if (event.position > told) this.#violated(`choice ${event.choice} is said to be told up to ${event.position}, it is to ${told}`);
      return;
    }
    this.#told[event.choice] = event.position;
    const choice = this.#choices[event.choice];
    if (choice === undefined || choice.finishedMs !== undefined || !this.#accepted) {
      this.#violated(`a ${event.kind} of choice ${event.choice} came where none belongs`);
      return;
    }
    if (event.kind === "delta") {
      for (const { id } of event.tokens) {
        const wanted = choice.wanted.ids[choice.tokens];
        if (id !== wanted) this.#violated(`choice ${event.choice} has ${id} at ${choice.tokens}, the model says ${wanted}`);
        choice.tokens += 1;
        this.tokens += 1;
      }
      const isLast = choice.tokens === choice.wanted.ids.length;
      if (event.position !== choice.tokens - 1 && !(isLast && event.position === choice.tokens))
        this.#violated(`a delta ends at ${event.position}, not at ${choice.tokens - 1}`);
      return;
    }
    choice.finishedMs = this.#clock.now();
    const { ids, reason } = choice.wanted;
    if (event.reason !== reason || choice.tokens !== ids.length || event.completionTokens !== ids.length)
      this.#violated(`choice ${event.choice} ended with ${event.reason} after ${choice.tokens} tokens, not ${reason} after ${ids.length}`);
  }

  #judgeEnd(): void {
    const { error } = this;
    const nowMs = this.#clock.now();
    const { deadlineMs = Number.POSITIVE_INFINITY } = this.request;
    if (this.attentive && nowMs > this.startedMs + deadlineMs)
      this.#violated(`it was over after ${nowMs - this.startedMs} ms, past its deadline`);
    if (this.attentive && nowMs > (this.canceledMs ?? nowMs)) this.#violated("it went on after its cancel");
    if (error === undefined) {
      if (!this.complete && !this.left) this.#violated("it ended without a finish and without an error");
      return;
    }
    const allowed = ["UNAVAILABLE", "RESOURCE_EXHAUSTED"];
    if (this.timesBack > 0 && this.#mayBeLost()) allowed.push("NOT_FOUND", "DATA_LOSS");
    if (this.left) allowed.push("CANCELLED");
    if (this.request.deadlineMs !== undefined) allowed.push("DEADLINE_EXCEEDED");
    if (!allowed.includes(error.code)) this.#violated(`it failed with ${error.code}: ${error.message}`);
    if (error.message.length < 10) this.#violated(`its error says nothing: ${error.message}`);
  }
}

export interface ClientOptions {
  readonly manner: Manner;
  readonly clock: Clock;
  readonly contextLength: number;
  /** Whether nothing but its gateway and its lead may have had the stream. */
  readonly mayBeLost: () => boolean;
  readonly violated: (what: string) => void;
}
