/**
 * One machine's agent: hosts shards as placement says, leads the replicas whose first stage is here, answers the gateways'
 * submits over their links, and says in its heartbeat how things stand.
 */

import { deadlineSignal } from "../core/abort.ts";
import type { Bus } from "../core/bus/bus.ts";
import { type Clock, sleep } from "../core/clock.ts";
import { ServingError } from "../core/errors.ts";
import type { NodeId } from "../core/ids.ts";
import type { LinkListener, LinkNetwork } from "../core/link/link.ts";
import { type ConnectReplica, type Control, ControlMessage, type LoadModel, type LoadShard } from "../core/messages/control.ts";
import type { Heartbeat } from "../core/messages/heartbeat.ts";
import { decodeJson } from "../core/messages/json-message.ts";
import { SUBJECTS } from "../core/messages/subjects.ts";
import type { NearAgents } from "../core/near-agents.ts";
import type { NodeLabels } from "../core/node-labels.ts";
import type { Random } from "../core/random.ts";
import type { ModelSources } from "../core/repository/model-sources.ts";
import { SCHEDULING_DEFAULTS, type SchedulingOptions } from "../core/scheduling-options.ts";
import type { Logger } from "../core/telemetry/logger.ts";
import type { Metrics } from "../core/telemetry/metrics.ts";
import type { Tracer } from "../core/telemetry/tracing.ts";
import type { ModelRunnerFactory } from "../core/wire/model-runner.ts";
import type { RunnerFactory } from "../core/wire/runner-handle.ts";
import type { Wire } from "../core/wire/wire.ts";
import { Gateways } from "./calls/gateways.ts";
import { ExecutionGate } from "./engines/batch/execution-gate.ts";
import type { JournalOptions } from "./generation-journal.ts";
import { HeartbeatSender } from "./heartbeat.ts";
import type { KeepLimits } from "./kept-generations.ts";
import type { Cutter } from "./models/cutter.ts";
import { Models } from "./models/models.ts";
import type { SequenceStorage } from "./models/sequence-keeping.ts";
import { WholeModels } from "./models/whole-models.ts";
import { ResponseCache } from "./scheduling/response-cache.ts";
import { SubmitDesk } from "./submit-desk.ts";
import { Watchers } from "./watchers.ts";

/** How often a draining agent looks whether something is still here. */
const DRAIN_LOOK_MS = 20;

export interface AgentDeps {
  readonly node: NodeId;
  readonly bus: Bus;
  readonly links: LinkNetwork;
  /** For gateways in this process; undefined: there are none. */
  readonly near?: NearAgents | undefined;
  readonly wire: Wire;
  readonly runners: RunnerFactory;
  readonly cutter: Cutter;
  /** Of whole models. */
  readonly modelRunners: ModelRunnerFactory;
  /** What runs Python models: a path, or a name on the PATH; `python3` unless said. */
  readonly python?: string | undefined;
  readonly sources: ModelSources;
  /** Whom `sources` and models ask; those that dial join it. */
  readonly gateways?: Gateways;
  /** Bytes of answers that are kept for models with a response cache; 0: none. */
  readonly cacheBytes: number;
  /** Answers older than this are not given; 0 or undefined: they do not age. */
  readonly cacheAgeMsMax?: number | undefined;
  /** Where sequences are kept for other nodes; undefined: nowhere. */
  readonly sequences?: SequenceStorage;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** As Triton's defaults unless said. */
  readonly scheduling?: Partial<SchedulingOptions>;
  /** undefined: nothing is traced. */
  readonly tracer?: Tracer | undefined;
  /** For resumable generations; the defaults unless said. */
  readonly keep?: KeepLimits;
  /** Of resumable generations; undefined: none is written. */
  readonly journal?: JournalOptions | undefined;
  /** What the CPU is: rows of one answer come from nodes of one class. */
  readonly cpu: string;
  /** What the machine is, as its operator says, for models that ask for it. */
  readonly labels?: NodeLabels | undefined;
  readonly memory: () => { readonly totalBytes: number; readonly freeBytes: number };
  /** Of a shard's runner, where placement leaves it to the node; 1 unless said. */
  readonly threads?: number;
}

interface AgentParts {
  /** Differs for every start of the agent. */
  readonly incarnation: string;
  readonly models: Models;
  readonly wholeModels: WholeModels;
  readonly watchers: Watchers;
  readonly desk: SubmitDesk;
  readonly listener: LinkListener;
}

export class Agent implements AsyncDisposable {
  readonly #deps: AgentDeps;
  readonly #models: Models;
  readonly #wholeModels: WholeModels;
  readonly #desk: SubmitDesk;
  readonly #listener: LinkListener;
  readonly #heartbeat: HeartbeatSender;
  readonly #subscriptions: readonly { unsubscribe(): void }[];
  /** Of the placement that is obeyed. */
  #fence = 0;
  #draining = false;
  #gone = false;

  static async start(deps: AgentDeps): Promise<Agent> {
    const models = new Models(deps);
    const { node, random, sequences } = deps;
    const incarnation = random.id();
    const scheduling = { ...SCHEDULING_DEFAULTS, ...deps.scheduling };
    const cache = deps.cacheBytes > 0 ? new ResponseCache(deps.cacheBytes, deps.cacheAgeMsMax || undefined) : undefined;
    const gateways = deps.gateways ?? new Gateways();
    const wholeModels = new WholeModels({
      gateways,
      sources: deps.sources,
      runners: deps.modelRunners,
      python: deps.python,
      clock: deps.clock,
      logger: deps.logger,
      tracer: deps.tracer,
      cache,
      startAfter: scheduling.delayScheduler,
      backlogAfter: scheduling.backlogDelayScheduler,
      autoComplete: !scheduling.disableAutoCompleteConfig,
      gate: scheduling.rateLimit === "off" ? undefined : new ExecutionGate(scheduling.rateLimitResource),
      sequences: sequences && { ...sequences, node, incarnation, random },
      onRestart: (model) => deps.metrics.runnerRestarts.inc({ model }),
    });
    const statistics = (model: string) => ({
      incarnation,
      models: [...wholeModels.statistics(model), ...models.statistics(model)],
      ...(cache !== undefined && { cache: cache.counters }),
    });
    const watchers = new Watchers();
    const beat = () => agent.#heartbeat.changed();
    const obey = (control: Uint8Array) => agent.#control(control);
    const desk = new SubmitDesk(models, wholeModels, { ...deps, gateways, statistics, watchers, beat, obey });
    const listener = await deps.links.listen((link) => desk.welcome(link));
    const agent: Agent = new Agent(deps, { incarnation, models, wholeModels, watchers, desk, listener });
    return agent;
  }

  private constructor(deps: AgentDeps, { incarnation, models, wholeModels, watchers, desk, listener }: AgentParts) {
    this.#deps = deps;
    this.#models = models;
    this.#wholeModels = wholeModels;
    this.#desk = desk;
    this.#listener = listener;
    this.#heartbeat = new HeartbeatSender(deps.node, () => this.#report(incarnation), { ...deps, watchers });
    models.onChange(() => this.#heartbeat.changed());
    wholeModels.onChange(() => this.#heartbeat.changed());
    deps.near?.add(deps.node, desk);
    this.#subscriptions = [
      deps.bus.subscribe(SUBJECTS.control(deps.node), (payload) => this.#control(payload)),
      deps.bus.subscribe(SUBJECTS.submit(deps.node), (payload) => desk.submitted(payload)),
    ];
  }

  #report(incarnation: string): Omit<Heartbeat, "node" | "sequence"> {
    const { totalBytes, freeBytes } = this.#deps.memory();
    return {
      incarnation,
      link: this.#listener.address,
      wire: this.#deps.wire.address,
      cpu: this.#deps.cpu,
      ...(this.#deps.labels && { labels: this.#deps.labels }),
      fence: this.#fence,
      ...(this.#draining && { draining: true }),
      ...(this.#gone && { gone: true }),
      memoryTotalBytes: totalBytes,
      memoryFreeBytes: freeBytes,
      ...this.#models.report(),
      models: [...this.#wholeModels.report()],
    };
  }

  #control(payload: Uint8Array): void {
    try {
      const { fence, control } = decodeJson(ControlMessage, payload);
      if (fence < this.#fence) {
        this.#deps.logger.warn(
          { fence, obeyed: this.#fence, kind: control.kind },
          "a command of a placement that was replaced was dropped",
        );
        return;
      }
      this.#fence = fence;
      this.#obey(control);
    } catch (thrown) {
      this.#deps.logger.warn({ err: ServingError.from(thrown) }, "a control message that does not fit was dropped");
    }
  }

  #obey(command: Control): void {
    switch (command.kind) {
      case "load":
        this.#models.load(command satisfies LoadShard);
        return;
      case "connect":
        this.#models.connect(command satisfies ConnectReplica);
        return;
      case "load-model":
        this.#wholeModels.load(command satisfies LoadModel);
        return;
      case "unload":
        this.#models.unload(command.replica, command);
        if (command.stage === undefined) this.#wholeModels.unload(command.replica);
        return;
    }
  }

  /** What gateways dial. */
  get address(): string {
    return this.#listener.address;
  }

  /**
   * Lets placement move away what is here, for half of the time at most, then takes nothing new. Resolves when all that ran is
   * answered. @throws ServingError DEADLINE_EXCEEDED when that takes longer than `limitMs`
   */
  async drain(limitMs: number): Promise<void> {
    const { clock } = this.#deps;
    using limit = deadlineSignal(clock, limitMs);
    this.#draining = true;
    this.#heartbeat.changed();
    const moveUntilMs = clock.now() + limitMs / 2;
    while (this.#desk.connected && !this.#empty && clock.now() < moveUntilMs) await sleep(clock, DRAIN_LOOK_MS, limit.signal);
    this.#desk.refuseNew();
    while (this.#desk.busy) await sleep(clock, DRAIN_LOOK_MS, limit.signal);
  }

  get #empty(): boolean {
    return this.#wholeModels.all().length === 0 && this.#models.report().shards.length === 0;
  }

  /** The cluster is about to stop: nothing is answered any more. */
  retire(): void {
    this.#models.retire();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#deps.near?.delete(this.#deps.node);
    for (const subscription of this.#subscriptions) subscription.unsubscribe();
    this.#gone = true;
    this.#heartbeat[Symbol.dispose]();
    await this.#listener[Symbol.asyncDispose]();
    await Promise.all([this.#models[Symbol.asyncDispose](), this.#wholeModels[Symbol.asyncDispose]()]);
    this.#desk[Symbol.dispose]();
  }
}
