/** The shards on this node and the replicas it leads, by replica and stage. */
import { createHash } from "node:crypto";
import { deadlineSignal } from "../../core/abort.ts";
import { type Clock, sleep } from "../../core/clock.ts";
import { ServingError } from "../../core/errors.ts";
import type { NodeId } from "../../core/ids.ts";
import type { ConnectReplica, LoadShard, UnloadReplica } from "../../core/messages/control.ts";
import type { Heartbeat } from "../../core/messages/heartbeat.ts";
import type { NodeModelStatistics } from "../../core/messages/model-statistics.ts";
import type { Logger } from "../../core/telemetry/logger.ts";
import type { Metrics } from "../../core/telemetry/metrics.ts";
import type { RunnerFactory, ShardOpened } from "../../core/wire/runner-handle.ts";
import type { Wire } from "../../core/wire/wire.ts";
import { GenerationEngine } from "../engines/generation-engine.ts";
import type { CutShard, Cutter } from "./cutter.ts";
import { watchLead } from "./lead-metrics.ts";
import { PastStatistics } from "./past-statistics.ts";
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
  /** undefined: generations cannot be written down here. */
  readonly journal?: object | undefined;
  /** Of a shard's runner, where placement leaves it to the node; 1 unless said. */
  readonly threads?: number;
}

/** How long generations may go on in a replica that is to be unloaded. */
const UNLOAD_MS_MAX = 30_000;
/** The same where they can go on elsewhere: the short ones end, the others are not worth the wait. */
const HAND_OVER_MS_MAX = 1_000;
const IDLE_LOOK_MS = 20;

function isBusy({ ready, engine }: ReplicaLead): boolean {
  const { busySlots, queued } = engine.load();
  return ready && busySlots + queued > 0;
}

export class Models implements AsyncDisposable {
  readonly #deps: ModelsDeps;
  readonly #hosts = new Map<string, ShardHost>();
  readonly #leads = new Map<string, ReplicaLead>();
  readonly #unwatch = new Map<string, () => void>();
  readonly #unloading = new Set<Promise<void>>();
  /** Replicas led here that are unloaded when what they generate has ended. */
  readonly #leaving = new Set<string>();
  readonly #past = new PastStatistics();
  readonly #closing = new AbortController();
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

  /**
   * What is being generated here ends first, within UNLOAD_MS_MAX, or goes on elsewhere; nothing new is taken meanwhile.
   * @param options stage: all that are here unless said; handsOver: the replica is ready elsewhere
   */
  unload(replica: string, { stage, handsOver = false }: Pick<UnloadReplica, "stage" | "handsOver"> = {}): void {
    const lead = stage === undefined || stage === 0 ? this.#leads.get(replica) : undefined;
    if (lead === undefined || !isBusy(lead)) {
      this.#unloadNow(replica, stage);
      return;
    }
    if (this.#leaving.has(replica)) return;
    this.#leaving.add(replica);
    this.#changed();
    const unloading = this.#idle(lead, handsOver ? HAND_OVER_MS_MAX : UNLOAD_MS_MAX)
      .then(() => this.#unloadNow(replica, stage))
      .finally(() => this.#unloading.delete(unloading));
    this.#unloading.add(unloading);
  }

  async #idle(lead: ReplicaLead, limitMs: number): Promise<void> {
    using limit = deadlineSignal(this.#deps.clock, limitMs, this.#closing.signal);
    while (isBusy(lead) && !limit.signal.aborted) await sleep(this.#deps.clock, IDLE_LOOK_MS, limit.signal).catch(() => {}); // then it is time
  }

  #unloadNow(replica: string, stage?: number): void {
    if (stage === undefined || stage === 0) this.#dropLead(replica);
    for (const [key, host] of this.#hosts) {
      if (host.load.replica !== replica || (stage !== undefined && host.load.stage !== stage)) continue;
      this.#hosts.delete(key);
      const unloading = host[Symbol.asyncDispose]().finally(() => this.#unloading.delete(unloading));
      this.#unloading.add(unloading);
    }
    this.#changed();
  }

  /** undefined, too, when it is being unloaded. */
  lead(replica: string): ReplicaLead | undefined {
    return this.#leaving.has(replica) ? undefined : this.#leads.get(replica);
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
      replicas: [...this.#leads].flatMap(([replica, lead]) => (this.#leaving.has(replica) ? [] : [lead.report()])),
    };
  }

  /** Of replicas that are led here, and of those that were. @param name empty: of all models */
  statistics(name: string): readonly NodeModelStatistics[] {
    const here = [...this.#leads.values()].map((lead) => lead.statistics());
    return [...here, ...this.#past.all()].filter(({ model }) => name === "" || model === name);
  }

  #dropLead(replica: string): void {
    this.#leaving.delete(replica);
    this.#past.add(this.#leads.get(replica)?.statistics());
    this.#leads.get(replica)?.[Symbol.dispose]();
    this.#leads.delete(replica);
    this.#unwatch.get(replica)?.();
    this.#unwatch.delete(replica);
  }

  #lead(host: ShardHost, command: ConnectReplica): void {
    const { cut, opened } = host;
    if (this.#leaving.has(command.replica)) return;
    if (cut === undefined || opened === undefined) return;
    const lead = this.#leads.get(command.replica) ?? this.#makeLead(host, cut, opened);
    if (lead !== undefined) this.#guard(lead.join(command));
  }

  /** @returns undefined, and the shard fails, when it cannot be led with these settings. */
  #makeLead(host: ShardHost, cut: CutShard, opened: ShardOpened): ReplicaLead | undefined {
    const { replica, model, stages, slots, prefixCacheTokens, journal } = host.load;
    try {
      if (journal === true && this.#deps.journal === undefined) throw noJournal(model, this.#deps.node);
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
    this.#closing.abort();
    for (const host of [...this.#hosts.values()]) this.#unloadNow(host.load.replica);
    await Promise.all(this.#unloading);
  }
}

const noJournal = (model: string, node: NodeId): ServingError =>
  new ServingError(
    "FAILED_PRECONDITION",
    `model ${model} wants its generations written down (journal: on), and node ${node} has no key for that: give its agent --journal-key-file and --redis-url`,
  );
