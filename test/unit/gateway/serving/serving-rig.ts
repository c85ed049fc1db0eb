/** A serving core over memory adapters and a clock that stands still, with agents that the test drives. */

import { MemoryBroker } from "../../../../core/bus/memory.ts";
import { modelName, replicaId } from "../../../../core/ids.ts";
import { MemoryLinks } from "../../../../core/link/memory.ts";
import type { Heartbeat } from "../../../../core/messages/heartbeat.ts";
import { GREEDY } from "../../../../core/model/sampling-parameters.ts";
import type { TextBundle } from "../../../../core/model/text-bundle.ts";
import { seededRandom } from "../../../../core/random.ts";
import { MemoryGenerationStore } from "../../../../core/store/generations/memory.ts";
import { createLogger } from "../../../../core/telemetry/logger.ts";
import { createMetrics } from "../../../../core/telemetry/metrics.ts";
import { Fleet } from "../../../../gateway/control/fleet.ts";
import type { DesiredReplica } from "../../../../gateway/placement/desired.ts";
import type { TextEvent, TextRequest } from "../../../../gateway/serving/generation/text-generation.ts";
import { ReturningModels } from "../../../../gateway/serving/returning-models.ts";
import { createTextServing } from "../../../../gateway/serving/text-serving.ts";
import { FakeClock, turns } from "../../../support/fake-clock.ts";
import { byteLevelBundle } from "../../../support/text-bundles.ts";
import { HashAgent } from "./hash-agent.ts";

export const MODEL = "bytes";
/** `<|end|>` of a byte-level bundle without merges. */
export const END = 256;
const LANGUAGE = { stages: 1, quantization: "auto", slots: 4, contextLength: 0, threads: 0 } as const;
const never = new AbortController().signal;

export interface RigOptions {
  readonly agents?: number;
  readonly contextLength?: number;
  readonly bundle?: TextBundle;
  readonly desired?: readonly DesiredReplica[];
  readonly migrationLimit?: number;
  /** 1 unless said, so that both ways are taken. */
  readonly linkSubmitsMax?: number;
  /** How long a request waits for a model that is wanted and not there. */
  readonly absenceWaitMs?: number;
}

export type Rig = Awaited<ReturnType<typeof servingRig>>;

export async function servingRig(options: RigOptions = {}) {
  const clock = new FakeClock();
  const random = seededRandom(7n);
  const broker = new MemoryBroker({ clock });
  const links = new MemoryLinks({ clock, random });
  const fleet = new Fleet();
  const metrics = createMetrics();
  const bundle = options.bundle ?? byteLevelBundle();
  const agents = await Promise.all(
    Array.from({ length: options.agents ?? 1 }, (_, index) =>
      HashAgent.start({ node: `node-${index + 1}`, bus: broker.connect(), links, bundle }),
    ),
  );
  let sequence = 0;
  /** A heartbeat of one agent, by index. */
  const beat = (index: number, replica: Partial<Heartbeat["replicas"][number]> = {}) => {
    const agent = agents[index];
    if (agent === undefined) throw new Error(`no agent ${index}`);
    const report = {
      replica: replicaId(modelName(MODEL), "1", index),
      model: MODEL,
      version: "1",
      epoch: 1,
      ready: true,
      slots: 4,
      busySlots: 0,
      queued: 0,
      contextLength: options.contextLength ?? 1_000,
      textDigest: agent.digest,
      ...replica,
    };
    fleet.hear(heartbeat(agent, [report], ++sequence), clock.now());
  };
  for (const index of agents.keys()) beat(index);
  const load = { number: 1, fingerprint: "", versions: ["1"], source: "", config: "", copies: 1, bytes: 0 };
  const returning = new ReturningModels({
    entries: () => new Map([[MODEL, { version: 1, wanted: { current: { ...load, language: LANGUAGE }, gone: [] } }]]),
    hosted: fleet,
    isServed: () => fleet.replicas().some(({ ready }) => ready),
    checkReach: () => {},
    clock,
    waitMs: options.absenceWaitMs ?? 0,
  });
  const serving = createTextServing({
    patience: returning,
    bus: broker.connect(),
    links,
    fleet,
    desired: () => options.desired ?? [],
    linkSubmitsMax: options.linkSubmitsMax ?? 1,
    generations: new MemoryGenerationStore(clock),
    migrationLimit: options.migrationLimit ?? 3,
    clock,
    random,
    metrics,
    logger: createLogger({ level: "silent", form: "json" }),
  });
  const [agent] = agents;
  if (agent === undefined) throw new Error("a rig has at least one agent");
  const metric = async (line: string) => {
    const text = await metrics.metricsText();
    return Number(
      text
        .split("\n")
        .find((one) => one.startsWith(`${line} `))
        ?.slice(line.length + 1) ?? Number.NaN,
    );
  };
  return {
    clock,
    broker,
    links,
    fleet,
    serving,
    agents,
    agent,
    beat,
    metric,
    start: (changes: Partial<TextRequest> = {}, signal: AbortSignal = never) =>
      new Run(serving.generation.generate(request(changes), signal)),
    [Symbol.asyncDispose]: async () => {
      metrics[Symbol.dispose]();
      await serving[Symbol.asyncDispose]();
    },
  };
}

function heartbeat(agent: HashAgent, replicas: Heartbeat["replicas"], sequence: number): Heartbeat {
  return {
    node: agent.node,
    incarnation: "1",
    sequence,
    link: agent.address,
    wire: "",
    cpu: "",
    memoryTotalBytes: 0,
    memoryFreeBytes: 0,
    shards: [],
    replicas,
    models: [],
  };
}

function request(changes: Partial<TextRequest>): TextRequest {
  return {
    model: MODEL,
    tenant: "public",
    prompt: { kind: "text", text: "Hello" },
    choices: 1,
    tokensMax: 100,
    stop: [],
    sampling: GREEDY,
    deadlineMs: undefined,
    traceparent: "",
    ...changes,
  };
}

/** A generation as a door consumes it. */
export class Run {
  readonly events: TextEvent[] = [];
  error: unknown;
  done = false;
  readonly #iterator: AsyncIterator<TextEvent>;

  constructor(iterable: AsyncIterable<TextEvent>) {
    this.#iterator = iterable[Symbol.asyncIterator]();
  }

  /** Asks for `count` events; what has not come stays asked for. */
  async pull(count = 1): Promise<void> {
    for (let event = 0; event < count && !this.done; event++) await this.#next();
  }

  /** Reads on as long as anything comes. */
  read(): void {
    this.pull(Number.POSITIVE_INFINITY).catch(() => {});
  }

  /** Leaves the loop. */
  async leave(): Promise<void> {
    await this.#iterator.return?.();
  }

  get text(): string {
    return this.textOf(0);
  }

  textOf(choice: number): string {
    return this.events.map((event) => (event.kind === "delta" && event.choice === choice ? event.text : "")).join("");
  }

  get finished() {
    return this.events
      .filter((event) => event.kind === "finished")
      .map(({ choice, reason, completionTokens }) => ({ choice, reason, completionTokens }));
  }

  async #next(): Promise<void> {
    try {
      const { value, done } = await this.#iterator.next();
      if (done === true) this.done = true;
      else this.events.push(value);
    } catch (thrown) {
      this.error = thrown;
      this.done = true;
    }
  }
}

/** Starts a run and lets it come as far as it can. */
export async function started(rig: Rig, changes: Partial<TextRequest> = {}, signal?: AbortSignal): Promise<Run> {
  const run = rig.start(changes, signal);
  run.read();
  await turns(60);
  return run;
}
