/**
 * The instances of a hosted version: each has a runner of its own that executes one batch at a time, and is started again when
 * that dies, after pauses that grow.
 */
import { linkedSignal } from "../../../core/abort.ts";
import { type Clock, sleep } from "../../../core/clock.ts";
import { assert, ServingError } from "../../../core/errors.ts";
import type { Logger } from "../../../core/telemetry/logger.ts";
import type { ModelRunnerFactory, ModelRunnerHandle, ModelSignature, OpenModel } from "../../../core/wire/model-runner.ts";
import { restartDelayMs } from "../../models/shard-state.ts";
import type { WarmUp } from "./batch-plan.ts";

export interface InstancesOptions {
  /** For messages. */
  readonly model: string;
  readonly open: OpenModel;
  readonly count: number;
  readonly warmUps: readonly WarmUp[];
  /** @throws ServingError when the model is not what was expected */
  readonly check: (signature: ModelSignature) => void;
}

export interface InstancesDeps {
  readonly runners: ModelRunnerFactory;
  readonly clock: Clock;
  readonly logger: Logger;
  /** An instance may take a batch now, or one that could is gone. */
  readonly onChange: () => void;
  /** A runner died and is started again. */
  readonly onRestart: () => void;
}

type InstanceState =
  | { readonly kind: "down" }
  | { readonly kind: "idle"; readonly runner: ModelRunnerHandle }
  | { readonly kind: "busy"; readonly runner: ModelRunnerHandle };

export interface ModelInstance {
  readonly number: number;
  readonly state: InstanceState;
}

type Slot = { readonly number: number; state: InstanceState };

const DOWN: InstanceState = { kind: "down" };
/** A runner that has lived this long has no deaths in a row. */
const STEADY_MS = 30_000;
/** After so many failures in a row, without any instance that runs, requests are told instead of kept waiting. */
const TRIES_IN_SILENCE = 3;

export class ModelInstances implements AsyncDisposable {
  readonly #options: InstancesOptions;
  readonly #deps: InstancesDeps;
  readonly #slots: readonly Slot[];
  readonly #stop = new AbortController();
  #keepers: readonly Promise<void>[] = [];
  #signature: ModelSignature | undefined;
  #incarnation = "";
  #failuresInARow = 0;
  #lastFailure: ServingError | undefined;

  private constructor(options: InstancesOptions, deps: InstancesDeps) {
    this.#options = options;
    this.#deps = deps;
    this.#slots = Array.from({ length: options.count }, (_, number) => ({ number, state: DOWN }));
  }

  /**
   * Starts and warms up all instances.
   * @throws ServingError why one of them cannot run; none is left behind
   */
  static async open(options: InstancesOptions, deps: InstancesDeps, signal: AbortSignal): Promise<ModelInstances> {
    const instances = new ModelInstances(options, deps);
    using group = linkedSignal(signal);
    const failures: unknown[] = [];
    const started = await Promise.all(
      instances.#slots.map(() =>
        instances.#start(group.signal).catch((thrown) => {
          failures.push(thrown);
          group.abort(thrown); // the others need not go on
          return undefined;
        }),
      ),
    );
    const runners = started.filter((runner) => runner !== undefined);
    if (failures.length > 0) {
      await Promise.all(runners.map((runner) => runner.close()));
      throw failures[0];
    }
    instances.#incarnation = runners[0]?.incarnation ?? "";
    instances.#keepers = instances.#slots.map((slot, place) => instances.#keepUp(slot, runners[place]));
    return instances;
  }

  get signature(): ModelSignature {
    assert(this.#signature !== undefined, "instances are open");
    return this.#signature;
  }

  /** Differs for every opening. */
  get incarnation(): string {
    return this.#incarnation;
  }

  get total(): number {
    return this.#slots.length;
  }

  /** Processes that run now. */
  get pids(): readonly number[] {
    return this.#slots.flatMap(({ state }) => (state.kind === "down" ? [] : (state.runner.pid ?? [])));
  }

  /** Those with a runner that is open. */
  get ready(): number {
    return this.#slots.reduce((sum, { state }) => sum + (state.kind === "down" ? 0 : 1), 0);
  }

  get idle(): readonly ModelInstance[] {
    return this.#slots.filter(({ state }) => state.kind === "idle");
  }

  /** Why nothing can be run for now; undefined: an instance is open, or soon will be. */
  get trouble(): ServingError | undefined {
    if (this.ready > 0 || this.#failuresInARow < TRIES_IN_SILENCE) return undefined;
    const why = this.#lastFailure?.message ?? "it does not start";
    const message = `model ${this.#options.model} has no running instance: ${why}; it is started again, try later`;
    return new ServingError("UNAVAILABLE", message, { reason: "no_instances", cause: this.#lastFailure });
  }

  /** The runner of an idle instance, which is busy from now on. */
  take(instance: ModelInstance): ModelRunnerHandle {
    const slot = this.#slot(instance);
    assert(slot.state.kind === "idle", "a batch goes to an idle instance");
    slot.state = { kind: "busy", runner: slot.state.runner };
    return slot.state.runner;
  }

  /** @param after how its batch ended; after its runner's death it stays down until there is another one */
  giveBack(instance: ModelInstance, after: "answer" | "death"): void {
    const slot = this.#slot(instance);
    if (slot.state.kind !== "busy") return;
    slot.state = after === "death" ? DOWN : { kind: "idle", runner: slot.state.runner };
  }

  /** Ends all runners; resolves when they are gone. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(new ServingError("CANCELLED", "the model is being unloaded"));
    const runners = this.#slots.flatMap(({ state }) => (state.kind === "down" ? [] : [state.runner]));
    for (const slot of this.#slots) slot.state = DOWN;
    await Promise.all(runners.map((runner) => runner.close()));
    await Promise.all(this.#keepers);
  }

  #slot({ number }: ModelInstance): Slot {
    const slot = this.#slots[number];
    assert(slot !== undefined, `there is an instance ${number}`);
    return slot;
  }

  async #keepUp(slot: Slot, first: ModelRunnerHandle | undefined): Promise<void> {
    const { signal } = this.#stop;
    const { clock, logger, onChange, onRestart } = this.#deps;
    let runner = first;
    for (let deaths = 0; !signal.aborted; ) {
      const bornAtMs = clock.now();
      try {
        runner ??= await this.#start(signal);
        this.#failuresInARow = 0;
        slot.state = { kind: "idle", runner };
        onChange();
        const { code, signal: by } = await runner.exited;
        this.#lastFailure = new ServingError(
          "UNAVAILABLE",
          by === undefined ? `its process exited with code ${code ?? "unknown"}` : `its process was ended by ${by}`,
        );
      } catch (thrown) {
        this.#lastFailure = ServingError.from(thrown);
      }
      slot.state = DOWN;
      runner = undefined;
      if (signal.aborted) return;
      this.#failuresInARow += 1;
      deaths = clock.now() - bornAtMs > STEADY_MS ? 1 : deaths + 1;
      logger.error(
        { err: this.#lastFailure, model: this.#options.model, instance: slot.number, deaths },
        "an instance died and is started again",
      );
      onRestart();
      onChange();
      await sleep(clock, restartDelayMs(deaths), signal).catch(() => {}); // the loop's condition sees the end
    }
  }

  /** @throws ServingError why it does not run; then it is gone */
  async #start(signal: AbortSignal): Promise<ModelRunnerHandle> {
    const runner = this.#deps.runners.start();
    try {
      const signature = await runner.open(this.#options.open, signal);
      this.#options.check(signature);
      this.#signature ??= signature;
      await this.#warmUp(runner, signal);
      return runner;
    } catch (thrown) {
      await runner.close();
      throw thrown;
    }
  }

  async #warmUp(runner: ModelRunnerHandle, signal: AbortSignal): Promise<void> {
    for (const { name, batch, count } of this.#options.warmUps)
      for (let turn = 0; turn < count; turn++) {
        try {
          await runner.execute(batch, signal);
        } catch (cause) {
          const { code, message } = ServingError.from(cause);
          throw new ServingError(code, `failed to run warmup sample '${name}': ${message}`, { cause });
        }
      }
  }
}
