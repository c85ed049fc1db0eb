/** The lead of one replica: its generation engine, and the pipeline that the engine drives in the current epoch. */
import type { Clock } from "../../core/clock.ts";
import { ServingError } from "../../core/errors.ts";
import type { ReplicaId } from "../../core/ids.ts";
import type { ConnectReplica } from "../../core/messages/control.ts";
import type { ReplicaReport } from "../../core/messages/heartbeat.ts";
import type { NodeModelStatistics } from "../../core/messages/model-statistics.ts";
import type { Logger } from "../../core/telemetry/logger.ts";
import type { Wire } from "../../core/wire/wire.ts";
import type { GenerationEngine } from "../engines/generation-engine.ts";
import { GenerationStatistics } from "../engines/generation-statistics.ts";
import { IdleCanary } from "./idle-canary.ts";
import { nodeStatistics } from "./node-statistics.ts";
import type { ShardHost } from "./shard-host.ts";

const JOIN_LIMIT_MS = 10_000;

export interface ReplicaLeadDeps {
  readonly wire: Wire;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Called after every change of readiness. */
  readonly onChange: () => void;
  /** A stage hangs; to be followed by `stuck`. */
  readonly onStuck: (why: ServingError) => void;
}

type LeadState =
  | { readonly kind: "apart" }
  | { readonly kind: "joining"; readonly epoch: number }
  | { readonly kind: "ready"; readonly epoch: number };

export class ReplicaLead implements Disposable {
  readonly engine: GenerationEngine;
  /** Takes what clients submit to the engine. */
  readonly counted: GenerationStatistics;
  readonly textDigest: string;
  readonly #host: ShardHost;
  readonly #deps: ReplicaLeadDeps;
  #state: LeadState = { kind: "apart" };
  #join: AbortController | undefined;
  /** That were joined last, one after the other. */
  #runners = "";
  #idle: IdleCanary | undefined;

  constructor(host: ShardHost, options: { readonly engine: GenerationEngine; readonly textDigest: string }, deps: ReplicaLeadDeps) {
    this.#host = host;
    this.engine = options.engine;
    this.textDigest = options.textDigest;
    this.#deps = deps;
    this.counted = new GenerationStatistics(deps.clock);
  }

  get model(): string {
    return this.#host.load.model;
  }

  /** Whether its resumable generations are written down; undefined: as the node does. */
  get journals(): boolean | undefined {
    return this.#host.load.journal;
  }

  get ready(): boolean {
    return this.#state.kind === "ready";
  }

  report(): ReplicaReport {
    const { replica, model, version } = this.#host.load;
    const { slots, busySlots, queued, queuedSinceMs } = this.engine.load();
    return {
      replica,
      model,
      version,
      epoch: this.#state.kind === "apart" ? 0 : this.#state.epoch,
      ready: this.ready,
      slots,
      busySlots,
      queued,
      contextLength: this.#host.contextLength,
      textDigest: this.textDigest,
      ...(queuedSinceMs !== undefined && { queuedMs: this.#deps.clock.now() - queuedSinceMs }),
    };
  }

  statistics(): NodeModelStatistics {
    const { model, version } = this.#host.load;
    const { queued, busySlots } = this.engine.load();
    return nodeStatistics(
      { statistics: () => this.counted.snapshot(), load: () => ({ queued, running: busySlots }) },
      { model, version, cached: false, loadMs: 0 },
    );
  }

  /** Joins the stages of an epoch and sends a canary token through all of them; only then the replica is ready. */
  async join(command: ConnectReplica): Promise<void> {
    const { epoch } = command;
    const [first] = command.stages;
    if (first === undefined || (this.#state.kind !== "apart" && epoch <= this.#state.epoch)) return;
    this.#leave(new ServingError("UNAVAILABLE", `the stages of ${this.#host.load.model} are being connected anew; try again`), {
      died: false,
    });
    const join = new AbortController();
    this.#join = join;
    this.#state = { kind: "joining", epoch };
    const takeBack = this.#deps.clock.after(JOIN_LIMIT_MS, () =>
      join.abort(new ServingError("UNAVAILABLE", "the stages did not come together in time")),
    );
    const listener = {
      result: this.engine.onResult,
      broken: (error: ServingError) => this.#broken(epoch, error),
    };
    try {
      const options = { replica: this.#host.load.replica as ReplicaId, epoch, first: first.address };
      const pipeline = await this.#deps.wire.join(options, listener, join.signal);
      if (join.signal.aborted) {
        pipeline.close();
        return;
      }
      const runners = command.stages.map(({ runner }) => runner).join();
      this.engine.attach(pipeline, epoch, { sameRunners: runners === this.#runners });
      this.#runners = runners;
      await this.engine.canary(join.signal);
      if (this.#state.kind !== "joining" || this.#state.epoch !== epoch) return;
      this.#state = { kind: "ready", epoch };
      const { clock, logger, onStuck } = this.#deps;
      logger.info({ replica: this.#host.load.replica, epoch }, "the replica's stages work together");
      this.#idle = new IdleCanary({
        engine: this.engine,
        model: this.#host.load.model,
        clock,
        onFailed: onStuck,
      });
      this.#deps.onChange();
    } catch (thrown) {
      this.#broken(epoch, ServingError.from(thrown));
    } finally {
      takeBack();
    }
  }

  /** The stages are given up: a step or a canary hangs, or a result made no sense. */
  stuck(error: ServingError): void {
    if (this.#state.kind !== "apart") this.#broken(this.#state.epoch, error);
  }

  [Symbol.dispose](): void {
    const error = new ServingError("UNAVAILABLE", `model ${this.#host.load.model} is being unloaded`);
    this.#leave(error, { died: false });
    this.engine.broken(error);
  }

  #broken(epoch: number, error: ServingError): void {
    if (this.#state.kind === "apart" || this.#state.epoch !== epoch) return;
    this.#deps.logger.error({ err: error, replica: this.#host.load.replica, epoch }, "the replica's stages came apart");
    this.#leave(
      new ServingError("UNAVAILABLE", `a shard of model ${this.#host.load.model} was lost while generating; try again`, { cause: error }),
      { died: true },
    );
    this.#deps.onChange();
  }

  /** What runs waits for the stages of another epoch. */
  #leave(error: ServingError, how: { readonly died: boolean }): void {
    this.#state = { kind: "apart" };
    this.#join?.abort(error);
    this.#join = undefined;
    this.#idle?.[Symbol.dispose]();
    this.#idle = undefined;
    this.engine.lost(error, how);
  }
}
