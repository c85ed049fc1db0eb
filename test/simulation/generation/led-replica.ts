/** A generation engine over scripted stages on a clock that stands still: built, killed and connected anew at will. */
import { ServingError } from "../../../core/errors.ts";
import { generationId, modelName, replicaId } from "../../../core/ids.ts";
import type { ChoiceToken, GenerationSubmit } from "../../../core/messages/generation.ts";
import { GREEDY } from "../../../core/model/sampling-parameters.ts";
import type { ShardOpened } from "../../../core/wire/runner-handle.ts";
import type { Step } from "../../../core/wire/step.ts";
import { GenerationEngine } from "../../../node-agent/engines/generation-engine.ts";
import type { GenerationHandle, GenerationSink } from "../../../node-agent/engines/generation-sink.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import type { ScriptedRunner } from "../../support/scripted/scripted-runner.ts";
import { ScriptedRunners } from "../../support/scripted/scripted-runners.ts";
import { SCRIPTED_VOCAB_SIZE, scriptedTokens } from "../../support/scripted/scripted-stage.ts";

export interface ReplicaShape {
  readonly stages: number;
  readonly slots: number;
  readonly contextLength: number;
  readonly decodeRowsMin: number;
}

/** About a 135M model on one core, cut evenly: 1.5 ms a prompt token, 5 ms and 2.5 ms a row for a decode run. */
export function modelMs(step: Step, stages: number): number {
  if (step.run.kind === "none") return 0;
  return ("tokens" in step.run ? 5 + 1.5 * step.run.tokens.length : 5 + 2.5 * step.run.rows.length) / stages;
}

export class Reader implements GenerationSink {
  readonly submit: GenerationSubmit;
  readonly tokensOf: number[][];
  readonly atMs: number[] = [];
  readonly ends: (string | undefined)[];
  error: ServingError | undefined;
  handle: GenerationHandle | undefined;
  readonly #clock: FakeClock;

  constructor(submit: GenerationSubmit, clock: FakeClock) {
    this.submit = submit;
    this.tokensOf = Array.from({ length: submit.choices }, () => []);
    this.ends = this.tokensOf.map(() => undefined);
    this.#clock = clock;
  }

  tokens(tokens: readonly ChoiceToken[]): void {
    for (const { choice, position, id } of tokens) {
      if (this.over || this.tokensOf[choice]?.length !== position) throw new Error(`token ${choice}.${position} is out of place`);
      this.tokensOf[choice].push(id);
    }
    this.atMs.push(this.#clock.now());
  }

  finished(choice: number, reason: string): void {
    if (this.over || this.ends[choice] !== undefined) throw new Error(`choice ${choice} ended twice`);
    this.ends[choice] = reason;
  }

  failed(error: ServingError): void {
    if (this.over) throw new Error("it failed after its end");
    this.error = error;
  }

  cancel(): void {
    if (this.over) return;
    this.handle?.cancel();
    this.error = new ServingError("CANCELLED", "by the test");
  }

  get over(): boolean {
    return this.error !== undefined || this.ends.every((end) => end !== undefined);
  }

  /** @throws Error unless all that came is what the prompt has to be continued with, and nothing is missing. */
  check(): void {
    const { promptIds, tokensMax, sampling } = this.submit;
    if (!this.over) throw new Error("a generation never ended");
    for (const [choice, seen] of this.tokensOf.entries()) {
      const wanted = scriptedTokens(promptIds, tokensMax, { seed: sampling.seed, choice });
      if (seen.join() !== wanted.slice(0, seen.length).join())
        throw new Error(`choice ${choice} has other tokens than it would have alone`);
      if (this.ends[choice] !== undefined && seen.length !== tokensMax)
        throw new Error(`choice ${choice} ended with ${seen.length} tokens`);
    }
  }
}

export class LedReplica {
  readonly clock = new FakeClock();
  readonly hub: ScriptedRunners;
  readonly engine: GenerationEngine;
  readonly #shape: ReplicaShape;
  readonly #wire;
  #stages: ScriptedRunner[] = [];
  /** A runner opens its shard once, whatever epochs it goes through. */
  readonly #opened = new Map<ScriptedRunner, Promise<ShardOpened>>();
  #epoch = 0;
  #generations = 0;

  constructor(shape: ReplicaShape) {
    const { clock } = this;
    this.#shape = shape;
    const { stages, decodeRowsMin } = shape;
    this.hub = new ScriptedRunners({ clock, decodeRowsMin, runMs: (step) => modelMs(step, stages) });
    this.#wire = this.hub.openWire();
    this.engine = new GenerationEngine({ ...shape, model: "tiny", vocabSize: SCRIPTED_VOCAB_SIZE, queueMax: 10_000 }, { clock });
  }

  /** Starts the stages that are missing, connects all in a new epoch and waits for a canary. */
  async connect(): Promise<void> {
    const { stages, slots, contextLength } = this.#shape;
    const replica = replicaId(modelName("tiny"), "1", 0);
    const signal = new AbortController().signal;
    const epoch = ++this.#epoch;
    const alive = this.#stages.filter((runner) => runner.alive);
    this.#stages = Array.from({ length: stages }, (_, stage) => alive[stage] ?? this.hub.start());
    for (const runner of this.#stages) {
      if (!this.#opened.has(runner))
        this.#opened.set(runner, runner.open({ folder: "", replica, slots, contextLength, threads: 1 }, signal));
    }
    const opening = Promise.all(this.#stages.map((runner) => this.#opened.get(runner)));
    await this.clock.pass(1);
    const opened = await opening;
    for (let stage = stages - 1; stage >= 0; stage--) {
      const connecting = this.#stages[stage]?.connect({ epoch, next: opened[stage + 1]?.address ?? this.#wire.address }, signal);
      await this.clock.pass(1);
      await connecting;
    }
    const listener = { result: this.engine.onResult, broken: (error: ServingError) => this.engine.lost(error, { died: true }) };
    const joining = this.#wire.join({ replica, epoch, first: opened[0]?.address ?? "" }, listener, signal);
    await this.clock.pass(1);
    this.engine.attach(await joining, epoch);
    const canary = this.engine.canary(signal);
    await this.clock.pass(1_000);
    await canary;
  }

  submit(changes: Partial<GenerationSubmit> = {}): Reader {
    const number = this.#generations++;
    const submit: GenerationSubmit = {
      kind: "generate",
      generation: generationId(`g${number}`),
      replica: "tiny/1/0",
      tenant: `tenant ${number % 3}`,
      remainingMs: undefined,
      traceparent: "",
      promptIds: Int32Array.of(number % 1_000, 2, 3, 4),
      choices: 1,
      tokensMax: 20,
      stopIds: [],
      sampling: { ...GREEDY, seed: BigInt(number) },
      begun: [],
      ...changes,
    };
    const reader = new Reader(submit, this.clock);
    reader.handle = this.engine.submit(submit, reader);
    return reader;
  }

  kill(stage: number): void {
    this.#stages[stage]?.kill();
  }
}
