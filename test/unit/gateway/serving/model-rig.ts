/** The serving core of whole models over memory adapters and a clock that stands still, with nodes that the test drives. */

import { MemoryBroker } from "../../../../core/bus/memory.ts";
import { MemoryLinks } from "../../../../core/link/memory.ts";
import type { Heartbeat, ModelReport } from "../../../../core/messages/heartbeat.ts";
import { encodePublishedModel, type PublishedModel, type TensorSpec } from "../../../../core/model/published-model.ts";
import type { NearAgents } from "../../../../core/near-agents.ts";
import { seededRandom } from "../../../../core/random.ts";
import { MemoryGenerationStore } from "../../../../core/store/generations/memory.ts";
import { createLogger } from "../../../../core/telemetry/logger.ts";
import { createMetrics } from "../../../../core/telemetry/metrics.ts";
import type { Tensor } from "../../../../core/tensor/tensor.ts";
import { Fleet } from "../../../../gateway/control/fleet.ts";
import type { InferRequest } from "../../../../gateway/serving/inference.ts";
import { createModelServing, type ModelServing } from "../../../../gateway/serving/model-serving.ts";
import { ReturningModels } from "../../../../gateway/serving/returning-models.ts";
import { createTextServing } from "../../../../gateway/serving/text-serving.ts";
import { FakeClock, turns } from "../../../support/fake-clock.ts";
import { TensorAgent } from "./tensor-agent.ts";

export const NEVER = new AbortController().signal;

const port = (name: string, fields: Partial<TensorSpec> = {}): TensorSpec => ({
  name,
  dtype: "INT32",
  shape: [-1, 2],
  optional: false,
  ragged: false,
  labels: [],
  ...fields,
});

/** Two INT32 numbers a row, given back. */
export function published(name: string, version = "1", fields: Partial<PublishedModel> = {}): PublishedModel {
  return {
    name,
    version,
    platform: "onnxruntime_onnx",
    maxBatchSize: 4,
    decoupled: false,
    inputs: [port("INPUT0")],
    outputs: [port("OUTPUT0")],
    configJson: `{"name":"${name}","max_batch_size":4}`,
    ...fields,
  };
}

export const spec = port;

export function pair(values: readonly [number, number], fields: Partial<Tensor> = {}): Tensor {
  return { name: "INPUT0", dtype: "INT32", shape: [1, 2], data: new Uint8Array(Int32Array.from(values).buffer), ...fields };
}

export function inferOf(model: string, fields: Partial<InferRequest> = {}): InferRequest {
  return {
    model,
    version: undefined,
    id: "",
    tenant: "public",
    parameters: new Map(),
    priority: 0,
    timeoutUs: 0,
    inputs: [pair([7, 8])],
    outputs: [],
    deadlineMs: undefined,
    traceparent: "",
    ...fields,
  };
}

export type ModelRig = Awaited<ReturnType<typeof modelRig>>;

interface RigOptions {
  readonly absenceWaitMs?: number;
  /** Throws while no node can be reached at all. */
  readonly checkReach?: () => void;
  /** Agents in the gateway's process. */
  readonly near?: NearAgents;
}

export async function modelRig(nodes = 1, { absenceWaitMs = 0, checkReach = () => {}, near }: RigOptions = {}) {
  const clock = new FakeClock();
  const random = seededRandom(7n);
  const broker = new MemoryBroker({ clock });
  const links = new MemoryLinks({ clock, random });
  const fleet = new Fleet();
  const metrics = createMetrics();
  const logger = createLogger({ level: "silent", form: "json" });
  const bus = broker.connect();
  const text = createTextServing({
    bus,
    links,
    generations: new MemoryGenerationStore(clock),
    fleet,
    desired: () => [],
    clock,
    random,
    metrics,
    logger,
  });
  const agents = await Promise.all(
    Array.from({ length: nodes }, (_, index) => TensorAgent.start(`node-${index + 1}`, broker.connect(), links)),
  );
  /** By node, what its heartbeat says. */
  const reports: ModelReport[][] = agents.map(() => []);
  /** Replicas that are to be unloaded. */
  const unwanted = new Set<string>();
  const wanted = () => reports.flat().filter(({ replica }) => !unwanted.has(replica));
  const known: { model: string; version: string }[] = [];
  const load = { number: 1, fingerprint: "", versions: ["1"], source: "", config: "", copies: 1, bytes: 0 };
  const returning = new ReturningModels({
    entries: () => new Map([["m", { version: 1, wanted: { current: load, gone: [] } }]]),
    hosted: fleet,
    isServed: (model) => whole.catalog.isReady(model, undefined),
    checkReach,
    clock,
    waitMs: absenceWaitMs,
  });
  const whole: ModelServing = createModelServing({
    patience: returning,
    near,
    fleet,
    directory: text.models,
    submitter: text.submitter,
    inFlight: text.inFlight,
    wanted,
    known: () => [...wanted(), ...known],
    clock,
    random,
    logger,
  });
  let sequence = 0;
  const agent = (node: number): TensorAgent => {
    const found = agents[node];
    if (found === undefined) throw new Error(`no node ${node}`);
    return found;
  };
  /** A heartbeat of every node; what it brings about has happened afterwards. */
  const beat = async () => {
    for (const [node, { node: name, address, incarnation }] of agents.entries()) {
      sequence += 1;
      fleet.hear(heartbeat({ node: name, incarnation, sequence, link: address, models: reports[node] ?? [] }), clock.now());
    }
    whole.refresh();
    await turns(60);
  };
  return {
    ...whole,
    submitter: text.submitter,
    returning,
    clock,
    fleet,
    links,
    agent,
    beat,
    /** These nodes, and no others, are to be left. */
    leave: (...nodes: readonly string[]) => {
      fleet.leave(new Set(nodes));
      whole.refresh();
    },
    unwanted,
    known,
    /** A node reports this model as ready, from its next heartbeat on; a later report of the same replica replaces it. */
    host(node: number, model: PublishedModel, fields: Partial<ModelReport> = {}) {
      const view = agent(node).publish(encodePublishedModel(model));
      const { name, version } = model;
      const report: ModelReport = {
        replica: `${name}/${version}/1`,
        model: name,
        version,
        state: { kind: "ready", view },
        inFlight: 0,
        queued: 0,
        ...fields,
      };
      reports[node] = [...(reports[node] ?? []).filter(({ replica }) => replica !== report.replica), report];
    },
    [Symbol.asyncDispose]: async () => {
      whole[Symbol.dispose]();
      metrics[Symbol.dispose]();
      await text[Symbol.asyncDispose]();
    },
  };
}

function heartbeat(fields: Pick<Heartbeat, "node" | "incarnation" | "sequence" | "link" | "models">): Heartbeat {
  return { wire: "", cpu: "", memoryTotalBytes: 0, memoryFreeBytes: 0, shards: [], replicas: [], ...fields };
}
