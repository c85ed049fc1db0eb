/** A lead with no plan of its own: it starts runners on shards, joins them and sends what the test says, one promise per step. */
import type { ServingError } from "../../../core/errors.ts";
import { modelName, replicaId } from "../../../core/ids.ts";
import { GREEDY, type SamplingParameters } from "../../../core/model/sampling-parameters.ts";
import type { Logger } from "../../../core/telemetry/logger.ts";
import type { RunnerFactory, RunnerHandle, ShardOpened } from "../../../core/wire/runner-handle.ts";
import type { Admission, PrefillRun, Step, StepResult } from "../../../core/wire/step.ts";
import type { Pipeline, Wire } from "../../../core/wire/wire.ts";

export const REPLICA = replicaId(modelName("test"), "1", 0);
export const NEVER = new AbortController().signal;
export const QUIET: Logger = { debug() {}, info() {}, warn() {}, error() {}, child: () => QUIET };

export interface LeadOptions {
  readonly folders: readonly string[];
  readonly slots: number;
  readonly contextLength: number;
  readonly threads?: number;
}

export class Lead implements AsyncDisposable {
  readonly runners: RunnerHandle[] = [];
  readonly opened: ShardOpened[] = [];
  readonly broken = Promise.withResolvers<ServingError>();
  readonly #wire: Wire;
  readonly #waiting: ((result: StepResult) => void)[] = [];
  #pipeline: Pipeline | undefined;
  #epoch = 0;
  #step = 0;

  private constructor(wire: Wire) {
    this.#wire = wire;
  }

  static async start(options: LeadOptions, factory: RunnerFactory, wire: Wire): Promise<Lead> {
    const lead = new Lead(wire);
    const { slots, contextLength, threads = 1 } = options;
    for (const folder of options.folders) {
      const runner = factory.start();
      lead.runners.push(runner);
      lead.opened.push(await runner.open({ folder, replica: REPLICA, slots, contextLength, threads }, NEVER));
    }
    await lead.join();
    return lead;
  }

  /** A new epoch: every slot is empty again. */
  async join(): Promise<void> {
    const epoch = ++this.#epoch;
    this.#step = 0;
    this.#waiting.length = 0;
    const first = this.opened[0]?.address ?? "";
    const listener = {
      result: (result: StepResult) => this.#waiting.shift()?.(result),
      broken: (error: ServingError) => this.broken.resolve(error),
    };
    this.#pipeline?.close();
    const joining = this.#wire.join({ replica: REPLICA, epoch, first }, listener, NEVER);
    await Promise.all(
      this.runners.map((runner, stage) => runner.connect({ epoch, next: this.opened[stage + 1]?.address ?? this.#wire.address }, NEVER)),
    );
    this.#pipeline = await joining;
  }

  /** Never resolves when the step breaks the pipeline: see `broken`. */
  step(parts: Partial<Omit<Step, "epoch" | "step">>): Promise<StepResult> {
    const step: Step = {
      epoch: this.#epoch,
      step: this.#step++,
      releases: [],
      copies: [],
      admissions: [],
      run: { kind: "none" },
      ...parts,
    };
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
      this.#pipeline?.submit(step);
    });
  }

  /** Admits a sequence and runs its whole prompt; gives the first token. */
  async prompt(slot: number, promptIds: readonly number[], sampling: SamplingParameters = GREEDY): Promise<number> {
    const run: PrefillRun = {
      kind: "prefill",
      slot,
      past: 0,
      tokens: Int32Array.from(promptIds),
      sample: { row: promptIds.length - 1, position: 0 },
    };
    const result = await this.step({ admissions: [admission(slot, promptIds, sampling)], run });
    return result.tokens[0]?.id ?? -1;
  }

  /** One token for each of a range of slots; undefined rows are idle. */
  async decode(firstSlot: number, rows: readonly ({ token: number; past: number; position: number } | undefined)[]): Promise<number[]> {
    const run: Step["run"] = {
      kind: "decode",
      firstSlot,
      rows: rows.map((row) => row ?? { token: 0, past: 0, position: undefined }),
    };
    return (await this.step({ run })).tokens.map(({ id }) => id);
  }

  /** The prompt's greedy continuation in one slot, beside an idle row where the CPU wants two. */
  async continuation(slot: number, promptIds: readonly number[], count: number): Promise<number[]> {
    const tokens = [await this.prompt(slot, promptIds)];
    while (tokens.length < count) {
      const row = { token: tokens.at(-1) ?? 0, past: promptIds.length + tokens.length - 1, position: tokens.length };
      const [token] = await this.decode(slot, [row]);
      tokens.push(token ?? -1);
    }
    return tokens;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#pipeline?.close();
    await Promise.all(this.runners.map((runner) => runner.close()));
    await this.#wire[Symbol.asyncDispose]();
  }
}

export function admission(slot: number, promptIds: readonly number[], sampling: SamplingParameters = GREEDY): Admission {
  return { slot, choice: 0, sampling, promptIds: Int32Array.from(promptIds), outputIds: new Int32Array() };
}
