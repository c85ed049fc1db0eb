/** Gateways and agents of one simulated cluster, over memory adapters that fail on command, with a shape drawn from a seed. */
import { MemoryBroker } from "../../../core/bus/memory.ts";
import { modelName, replicaId } from "../../../core/ids.ts";
import { MemoryLinks } from "../../../core/link/memory.ts";
import type { Heartbeat } from "../../../core/messages/heartbeat.ts";
import { serializeTextBundle } from "../../../core/model/text-bundle-codec.ts";
import { type Random, seededRandom } from "../../../core/random.ts";
import { MemoryGenerationStore } from "../../../core/store/generations/memory.ts";
import { JournalKeys } from "../../../core/store/journals/journal-seal.ts";
import { MemoryJournalStore } from "../../../core/store/journals/memory.ts";
import type { Logger } from "../../../core/telemetry/logger.ts";
import { createMetrics } from "../../../core/telemetry/metrics.ts";
import type { Step } from "../../../core/wire/step.ts";
import type { DesiredReplica } from "../../../gateway/placement/desired.ts";
import { GenerationJournals } from "../../../gateway/serving/generation/generation-journals.ts";
import { ScriptedRunners } from "../../support/scripted/scripted-runners.ts";
import { byteLevelBundle } from "../../support/text-bundles.ts";
import { MemoryCutter } from "../../unit/node-agent/models/memory-cutter.ts";
import type { Dice } from "./dice.ts";
import { journalWithBug } from "./journal-bugs.ts";
import type { PlantedBug } from "./planted-bugs.ts";
import { SimulatedAgent } from "./simulated-agent.ts";
import { SimulatedGateway } from "./simulated-gateway.ts";
import { VirtualTime } from "./virtual-time.ts";
import type { Weather } from "./weather.ts";

export const MODEL = "scripted";
const BUNDLE = byteLevelBundle();
export const VOCAB_SIZE = BUNDLE.vocabSize;
/** Ends a choice. */
export const END_ID = 256;
const TEXT = serializeTextBundle(BUNDLE);
const JOURNAL_KEYS = new JournalKeys("5a".repeat(32));

export interface ClusterShape {
  readonly agents: number;
  readonly gateways: number;
  readonly replicas: number;
  readonly stages: number;
  readonly slots: number;
  readonly contextLength: number;
  readonly decodeRowsMin: number;
  readonly nodesMin: number;
  /** Milliseconds that a runner takes to open its shard. */
  readonly openMs: number;
  /** Whether resumable generations are written down. */
  readonly journals: boolean;
}

export function drawShape(dice: Dice, weather: Weather): ClusterShape {
  const agents = dice.whole(2, 3);
  const decodeRowsMin = dice.whole(1, 2);
  const lame = weather === "lame";
  return {
    agents,
    gateways: dice.whole(1, 2),
    replicas: dice.happens(0.3) || lame ? 2 : 1,
    stages: dice.whole(1, 3),
    slots: lame ? 10 : dice.whole(decodeRowsMin, 10), // where one replica is to be enough, it is not full
    contextLength: dice.whole(60, 300),
    decodeRowsMin,
    nodesMin: dice.happens(0.5) ? agents : 1,
    openMs: dice.whole(0, 400),
    journals: dice.happens(0.6),
  };
}

/** Milliseconds of a stage; far fewer tokens a second than a real one, so that a simulated second costs few steps. */
function stepMs(step: Step, stages: number): number {
  if (step.run.kind === "none") return 0;
  return ("tokens" in step.run ? 4 + 0.3 * step.run.tokens.length : 12 + step.run.rows.length) / stages;
}

export interface ClusterOptions {
  /** Of ids and choices. */
  readonly seed: bigint;
  readonly logger: Logger;
  /** Sees every heartbeat as it leaves. */
  readonly audit: ((heartbeat: Heartbeat) => void) | undefined;
  readonly bug?: PlantedBug | undefined;
}

export class SimulatedCluster {
  readonly shape: ClusterShape;
  readonly time = new VirtualTime();
  readonly broker = new MemoryBroker({ clock: this.time });
  readonly links: MemoryLinks;
  readonly hub: ScriptedRunners;
  readonly agents: readonly SimulatedAgent[];
  readonly gateways: SimulatedGateway[];
  readonly metrics = createMetrics();
  /** Where resumable generations run. */
  readonly generations = new MemoryGenerationStore(this.time);
  /** What they came to, where the cluster has journals. */
  readonly journals = new MemoryJournalStore(this.time);
  readonly #random: Random;
  readonly #logger: Logger;
  readonly #bug: PlantedBug | undefined;
  readonly #desired: readonly DesiredReplica[];
  /** Starts and stops that wait for the clock. */
  readonly #moving = new Set<Promise<void>>();
  #placing = 0;
  /** When the stores were away or emptied last. */
  #troubledMs = Number.NEGATIVE_INFINITY;
  /** Counts up with every placement, as the store's lease would. */
  #fence = 0;
  /** Agents that do not come back. */
  #lost = 0;

  constructor(shape: ClusterShape, { seed, logger, audit, bug }: ClusterOptions) {
    const { time, broker, metrics } = this;
    this.shape = shape;
    this.#random = seededRandom(seed);
    this.#logger = logger;
    this.#bug = bug;
    this.links = new MemoryLinks({ clock: time, random: this.#random });
    const { stages, openMs, decodeRowsMin } = shape;
    this.hub = new ScriptedRunners({
      clock: time.uncounted(), // a step that hangs does so beyond its runner's death
      vocabSize: VOCAB_SIZE,
      openMs,
      decodeRowsMin,
      runMs: (step) => stepMs(step, stages),
    });
    const cutter = new MemoryCutter({ text: TEXT, vocabSize: VOCAB_SIZE, contextLengthMax: 4096 });
    const journal = shape.journals
      ? { ...journalWithBug(bug, { store: this.journals, keys: JOURNAL_KEYS, clock: time }), byDefault: true }
      : undefined;
    const shared = { journal, broker, links: this.links, hub: this.hub, cutter, clock: time, random: this.#random, logger, metrics, audit };
    this.agents = Array.from({ length: shape.agents }, (_, number) => new SimulatedAgent(`node-${number}`, shared));
    this.#desired = Array.from({ length: shape.replicas }, (_, number) => desiredReplica(shape, number));
    this.gateways = Array.from({ length: shape.gateways }, () => this.#gateway());
    for (const agent of this.agents) this.#move(agent.start());
    this.#place(0);
  }

  /** Whether all starts and stops are done. */
  get still(): boolean {
    return this.#moving.size === 0;
  }

  get allReady(): boolean {
    return this.gateways.every((gateway) => gateway.allReady);
  }

  /** Slots that are taken and choices that wait, as the first gateway sees it. */
  get busy(): number {
    const replicas = this.gateways[0]?.watch.fleet.replicas() ?? [];
    return replicas.reduce((sum, { busySlots, queued }) => sum + busySlots + queued, 0);
  }

  /** Shards that more than one node hosts. */
  get twice(): readonly string[] {
    const shards = this.gateways[0]?.watch.fleet.shards() ?? [];
    const names = shards.map(({ replica, stage }) => `stage ${stage} of ${replica}`);
    return names.filter((name, index) => names.indexOf(name) !== index);
  }

  restartAgent(agent: SimulatedAgent, pauseMs: number): void {
    this.#move(this.#restart(agent, pauseMs));
  }

  /** @returns false when the rest would be too few, and it stays. */
  loseAgent(agent: SimulatedAgent): boolean {
    if (this.agents.length - this.#lost - 1 < this.shape.nodesMin) return false;
    this.#lost += 1;
    this.#move(agent.stop());
    return true;
  }

  /** Another gateway takes its place; clients of the old one have their streams cut. */
  restartGateway(index: number): void {
    const old = this.gateways[index];
    if (old === undefined) return;
    this.#move(old.stop());
    this.gateways[index] = this.#gateway();
    if (this.#placing === index) this.#place(index);
  }

  /** All gateways and these agents go at once: what they had between them is in the stores, or nowhere. */
  losePower(agents: readonly SimulatedAgent[], pauseMs: number): void {
    for (const index of this.gateways.keys()) this.restartGateway(index);
    for (const agent of agents) this.restartAgent(agent, pauseMs);
  }

  /** What began since then is in the stores. */
  get storesTroubledMs(): number {
    return this.#troubledMs;
  }

  setStoresAway(away: boolean): void {
    this.#troubledMs = this.time.now();
    for (const { records } of [this.generations, this.journals]) records.setAway(away);
  }

  emptyStores(): void {
    this.#troubledMs = this.time.now();
    for (const { records } of [this.generations, this.journals]) records.wipe();
  }

  /** The next gateway places from now on, and knows nothing of what the one before it did. */
  movePlacement(): void {
    this.gateways[this.#placing]?.stopPlacing();
    this.#placing = (this.#placing + 1) % this.gateways.length;
    this.#place(this.#placing);
  }

  /** @returns whether everything ended in time. */
  async stop(): Promise<boolean> {
    for (const gateway of this.gateways) this.#move(gateway.stop());
    for (const agent of this.agents) this.#move(agent.stop());
    const stopped = await this.time.until(() => this.still, 10_000);
    this.metrics[Symbol.dispose]();
    return stopped;
  }

  #place(index: number): void {
    this.#fence += 1;
    this.gateways[index]?.place(this.#fence);
  }

  #gateway(): SimulatedGateway {
    const { broker, links, time, metrics, generations } = this;
    const [random, logger, desired] = [this.#random, this.#logger, this.#desired];
    const journals = this.shape.journals ? new GenerationJournals(this.journals, JOURNAL_KEYS) : undefined;
    return new SimulatedGateway({ broker, links, desired, generations, journals, clock: time, random, logger, metrics, bug: this.#bug });
  }

  async #restart(agent: SimulatedAgent, pauseMs: number): Promise<void> {
    await agent.stop();
    await new Promise<void>((resolve) => this.time.after(pauseMs, resolve));
    await agent.start();
  }

  #move(task: Promise<void>): void {
    const moving = task.finally(() => this.#moving.delete(moving));
    this.#moving.add(moving);
  }
}

function desiredReplica(shape: ClusterShape, number: number): DesiredReplica {
  const model = modelName(MODEL);
  const { stages, slots, contextLength, nodesMin } = shape;
  return {
    replica: replicaId(model, "1", number),
    model,
    version: "1",
    stages,
    quantization: "auto",
    slots,
    contextLength,
    threads: 1,
    nodesMin,
    bytes: 0,
  };
}
