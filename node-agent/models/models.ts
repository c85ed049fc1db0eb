/** The shards on this node and the replicas it leads, by replica and stage. */
import { createHash } from "node:crypto";
import type { Clock } from "../../core/clock.ts";
import { ServingError } from "../../core/errors.ts";
import type { NodeId } from "../../core/ids.ts";
import type { ConnectReplica, LoadShard } from "../../core/messages/control.ts";
import type { Heartbeat } from "../../core/messages/heartbeat.ts";
import type { Logger } from "../../core/telemetry/logger.ts";
import type { Metrics } from "../../core/telemetry/metrics.ts";
import type { RunnerFactory, ShardOpened } from "../../core/wire/runner-handle.ts";
import type { Wire } from "../../core/wire/wire.ts";
import { GenerationEngine } from "../engines/generation-engine.ts";
import type { CutShard, Cutter } from "./cutter.ts";
import { watchLead } from "./lead-metrics.ts";
import { ReplicaLead } from "./replica-lead.ts";
import { ShardHost } from "./shard-host.ts";

export interface ModelsDeps {
  readonly node: NodeId;
  readonly wire: Wire;
  readonly runners: RunnerFactory;
  readonly cutter: Cutter;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly memory: () => { readonly freeBytes: number };
  /** Of a shard's runner, where placement leaves it to the node; 1 unless said. */
  readonly threads?: number;
}

export class Models implements AsyncDisposable {
  readonly #deps: ModelsDeps;
  readonly #hosts = new Map<string, ShardHost>();
  readonly #leads = new Map<string, ReplicaLead>();
  readonly #unwatch = new Map<string, () => void>();
  readonly #unloading = new Set<Promise<void>>();
  #changed: () => void = () => {};

  constructor(deps: ModelsDeps) {
    this.#deps = deps;
  }

  onChange(listener: () => void): void {
    this.#changed = listener;
  }

  /** A shard that is here already stays as it is. */
  load(command: LoadShard): void {
    const key = `${command.replica}#${command.stage}`;
    if (this.#hosts.has(key)) return;
    const { runners, cutter, clock, logger, memory, metrics, threads = 1 } = this.#deps;
    const host = new ShardHost(command.threads === 0 ? { ...command, threads } : command, {
      runners,
      cutter,
      clock,
      logger,
      memoryFreeBytes: () => memory().freeBytes,
      onChange: () => this.#changed(),
      onRestart: () => metrics.runnerRestarts.inc({ model: command.model }),
    });
    this.#hosts.set(key, host);
    this.#changed();
  }

  /** Joins every stage of the replica that is here; the first one's node leads. */
  connect(command: ConnectReplica): void {
    for (const host of this.#hosts.values()) {
      if (host.load.replica !== command.replica) continue;
      this.#guard(host.connect(command));
      if (host.load.stage === 0) this.#lead(host, command);
    }
  }

  /** @param stage undefined: all that are here */
  unload(replica: string, stage?: number): void {
    if (stage === undefined || stage === 0) this.#dropLead(replica);
    for (const [key, host] of this.#hosts) {
      if (host.load.replica !== replica || (stage !== undefined && host.load.stage !== stage)) continue;
      this.#hosts.delete(key);
      const unloading = host[Symbol.asyncDispose]().finally(() => this.#unloading.delete(unloading));
      this.#unloading.add(unloading);
    }
    this.#changed();
  }

  lead(replica: string): ReplicaLead | undefined {
    return this.#leads.get(replica);
  }

  /** The serialized text bundle with this digest. */
  textBundle(digest: string): Uint8Array | undefined {
    for (const [replica, lead] of this.#leads) {
      if (lead.textDigest === digest) return this.#hosts.get(`${replica}#0`)?.cut?.text;
    }
    return undefined;
  }

  report(): Pick<Heartbeat, "shards" | "replicas"> {
    return {
      shards: [...this.#hosts.values()].map((host) => host.report()),
      replicas: [...this.#leads.values()].map((lead) => lead.report()),
    };
  }

  #dropLead(replica: string): void {
    this.#leads.get(replica)?.[Symbol.dispose]();
    this.#leads.delete(replica);
    this.#unwatch.get(replica)?.();
    this.#unwatch.delete(replica);
  }

  #lead(host: ShardHost, command: ConnectReplica): void {
    const { cut, opened } = host;
    if (cut === undefined || opened === undefined) return;
    const lead = this.#leads.get(command.replica) ?? this.#makeLead(host, cut, opened);
    if (lead !== undefined) this.#guard(lead.join(command));
  }

  /** @returns undefined, and the shard fails, when it cannot be led with these settings. */
  #makeLead(host: ShardHost, cut: CutShard, opened: ShardOpened): ReplicaLead | undefined {
    const { replica, model, stages, slots, prefixCacheTokens } = host.load;
    try {
      const onStuck = (why: ServingError) => this.#stuck(replica, why);
      const engine = new GenerationEngine(
        {
          model,
          stages,
          slots,
          contextLength: host.contextLength,
          vocabSize: cut.description.vocabSize,
          decodeRowsMin: opened.decodeRowsMin,
          ...(prefixCacheTokens !== undefined && { prefixCacheTokens }),
        },
        { clock: this.#deps.clock, onStuck },
      );
      const textDigest = createHash("sha256").update(cut.text).digest("hex");
      const lead = new ReplicaLead(host, { engine, textDigest }, { ...this.#deps, onChange: () => this.#changed(), onStuck });
      this.#leads.set(replica, lead);
      this.#unwatch.set(replica, watchLead(engine, { node: this.#deps.node, model }, this.#deps.metrics));
      return lead;
    } catch (thrown) {
      host.fail(ServingError.from(thrown));
      return undefined;
    }
  }

  /** A step that hangs may hang in any stage: the one here is killed, others when they do not answer the next connection. */
  #stuck(replica: string, why: ServingError): void {
    this.#leads.get(replica)?.stuck(why);
    for (const host of this.#hosts.values()) if (host.load.replica === replica) host.killRunner();
  }

  #guard(task: Promise<void>): void {
    task.catch((thrown: unknown) => this.#deps.logger.error({ err: ServingError.from(thrown) }, "connecting a replica failed"));
  }

  /** What is led here ends with a clear error, before stages go one by one. */
  retire(): void {
    for (const lead of this.#leads.values()) lead[Symbol.dispose]();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const host of [...this.#hosts.values()]) this.unload(host.load.replica);
    await Promise.all(this.#unloading);
  }
}
