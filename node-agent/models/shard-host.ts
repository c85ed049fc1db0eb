/** Brings one shard up on this node and keeps it up: cuts, opens, connects, starts its runner again when it dies. */
import { deadlineSignal } from "../../core/abort.ts";
import type { Clock } from "../../core/clock.ts";
import { sleep } from "../../core/clock.ts";
import { ServingError } from "../../core/errors.ts";
import type { ReplicaId } from "../../core/ids.ts";
import type { ConnectReplica, LoadShard } from "../../core/messages/control.ts";
import type { ShardReport, ShardState } from "../../core/messages/heartbeat.ts";
import type { Logger } from "../../core/telemetry/logger.ts";
import type { RunnerFactory, RunnerHandle, ShardOpened, ShardTraits } from "../../core/wire/runner-handle.ts";
import type { CutShard, Cutter } from "./cutter.ts";
import { assertFits } from "./memory-need.ts";
import { NEW_SHARD, restartDelayMs, type ShardEvent, shardState } from "./shard-state.ts";

/** Runners that die before they are open; then it makes no sense to try again. */
const STILLBORN_MAX = 5;
/** A runner that has lived this long has no deaths in a row. */
const STEADY_MS = 30_000;
/** A runner that has not joined its neighbor by then hangs. */
const CONNECT_LIMIT_MS = 8_000;

export interface ShardHostDeps {
  readonly runners: RunnerFactory;
  readonly cutter: Cutter;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly memoryFreeBytes: () => number;
  /** Called after every change of the state. */
  readonly onChange: () => void;
  readonly onRestart: () => void;
}

export class ShardHost implements AsyncDisposable {
  readonly load: LoadShard;
  readonly #deps: ShardHostDeps;
  readonly #stop = new AbortController();
  readonly #running: Promise<void>;
  #state: ShardState = NEW_SHARD;
  #cut: CutShard | undefined;
  #runner: RunnerHandle | undefined;
  #opened: ShardOpened | undefined;
  /** Found by the first runner; the next ones need not find it again. */
  #traits: ShardTraits | undefined;
  #epochAsked = 0;

  constructor(load: LoadShard, deps: ShardHostDeps) {
    this.load = load;
    this.#deps = deps;
    this.#running = this.#run(this.#stop.signal);
  }

  get state(): ShardState {
    return this.#state;
  }

  /** Known once the shard is cut. */
  get cut(): CutShard | undefined {
    return this.#cut;
  }

  /** Known while the shard is open. */
  get opened(): ShardOpened | undefined {
    return this.#state.kind === "open" ? this.#opened : undefined;
  }

  /** Positions per slot. */
  get contextLength(): number {
    const longest = this.#cut?.description.contextLengthMax ?? 0;
    return this.load.contextLength === 0 ? longest : Math.min(longest, this.load.contextLength);
  }

  report(): ShardReport {
    const { replica, model, version, stage, stages } = this.load;
    const description = this.#cut?.description;
    return {
      replica,
      model,
      version,
      stage,
      stages,
      firstLayer: description?.firstLayer ?? 0,
      endLayer: description?.endLayer ?? 0,
      quantization: description?.quantization ?? this.load.quantization,
      state: this.#state,
    };
  }

  /** Joins this stage to its next one for an epoch. A command for another runner, or an epoch already asked for, changes nothing. */
  async connect(command: ConnectReplica): Promise<void> {
    const { stage, stages } = this.load;
    const runner = this.#runner;
    if (runner === undefined || command.stages[stage]?.runner !== runner.incarnation || command.epoch <= this.#epochAsked) return;
    const next = stage + 1 === stages ? command.lead : command.stages[stage + 1]?.address;
    if (next === undefined) return;
    this.#epochAsked = command.epoch;
    using limit = deadlineSignal(this.#deps.clock, CONNECT_LIMIT_MS, this.#stop.signal);
    try {
      await runner.connect({ epoch: command.epoch, next }, limit.signal);
      this.#become({ kind: "connected", epoch: command.epoch });
    } catch (thrown) {
      if (this.#stop.signal.aborted) return;
      this.#deps.logger.warn(
        { err: ServingError.from(thrown), replica: this.load.replica, stage },
        "stage could not be connected; placement will try again",
      );
    }
  }

  /** The runner hangs; another one takes its place. */
  killRunner(): void {
    this.#runner?.kill();
  }

  /** It cannot be served with these settings: nothing is tried again. */
  fail(error: ServingError): void {
    this.#deps.logger.error({ err: error, replica: this.load.replica }, "the shard cannot be served");
    this.#stop.abort(error);
    this.#runner?.kill();
    this.#become({ kind: "gave-up", reason: error.message });
  }

  /** Ends the runner and waits until its process is gone. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(new ServingError("CANCELLED", "the shard is being unloaded"));
    await this.#runner?.close();
    await this.#running;
  }

  #become(event: ShardEvent): void {
    const before = this.#state;
    this.#state = shardState(before, event);
    if (this.#state !== before) this.#deps.onChange();
  }

  async #run(signal: AbortSignal): Promise<void> {
    const { logger, clock, cutter } = this.#deps;
    const { model, version, stage, stages, quantization, replica } = this.load;
    try {
      this.#cut = await cutter.cut(
        { model, version, stage, stages, quantization },
        (progress) => this.#become({ kind: "progress", progress }),
        signal,
      );
      this.#become({ kind: "cut", description: this.#cut.description });
      for (let deaths = 0, stillborn = 0; ; ) {
        const bornAtMs = clock.now();
        const reason = await this.#hostOneRunner(this.#cut.folder, signal);
        if (signal.aborted) return;
        deaths = clock.now() - bornAtMs > STEADY_MS ? 1 : deaths + 1;
        stillborn = this.#state.kind === "open" ? 0 : stillborn + 1;
        if (stillborn === STILLBORN_MAX)
          throw new ServingError("FAILED_PRECONDITION", `${stillborn} runners in a row died while they loaded it; the last one: ${reason}`);
        this.#become({ kind: "died", reason });
        this.#deps.onRestart();
        logger.error({ replica, stage, reason, deaths }, "a shard's runner died and is started again");
        await sleep(clock, restartDelayMs(deaths), signal);
        this.#become({ kind: "respawn" });
      }
    } catch (thrown) {
      if (signal.aborted) return;
      const error = ServingError.from(thrown);
      logger.error({ err: error, replica, stage }, "the shard cannot be loaded");
      this.#become({ kind: "gave-up", reason: error.message });
    }
  }

  /** @returns why the runner ended. @throws ServingError when the shard itself is at fault. */
  async #hostOneRunner(folder: string, signal: AbortSignal): Promise<string> {
    const { replica, stage, slots, threads } = this.load;
    if (this.#cut !== undefined)
      assertFits(this.#cut.description, { slots, contextLength: this.contextLength }, this.#deps.memoryFreeBytes());
    const runner = this.#deps.runners.start();
    this.#runner = runner;
    this.#epochAsked = 0;
    try {
      const shard = { folder, replica: replica as ReplicaId, slots, contextLength: this.contextLength, threads, known: this.#traits };
      this.#opened = await runner.open(shard, signal);
      const { address, residentBytes, decodeRowsMin, replaysAtOnce } = this.#opened;
      this.#traits = { decodeRowsMin, replaysAtOnce };
      this.#become({ kind: "opened", runner: runner.incarnation, address, residentBytes });
      this.#deps.logger.info({ replica, stage, runner: runner.incarnation }, "a shard is open");
    } catch (thrown) {
      await runner.close();
      const error = ServingError.from(thrown);
      if (error.code === "UNAVAILABLE" || signal.aborted) return error.message;
      throw error;
    }
    const exit = await runner.exited;
    return exit.signal === undefined ? `it exited with code ${exit.code ?? "unknown"}` : `it was ended by ${exit.signal}`;
  }
}
