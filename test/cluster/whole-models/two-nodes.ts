/** Two nodes that both host a stateful model, each with a real process for it, and gateways before them, on memory adapters. */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { MemoryBroker } from "../../../core/bus/memory.ts";
import { systemClock } from "../../../core/clock.ts";
import { nodeId } from "../../../core/ids.ts";
import { MemoryLinks } from "../../../core/link/memory.ts";
import { encodeJson } from "../../../core/messages/json-message.ts";
import type { ParameterValue } from "../../../core/messages/parameter-value.ts";
import { SUBJECTS } from "../../../core/messages/subjects.ts";
import { systemRandom } from "../../../core/random.ts";
import { ModelSources } from "../../../core/repository/model-sources.ts";
import { MemoryGenerationStore } from "../../../core/store/generations/memory.ts";
import { MemorySequenceStore } from "../../../core/store/sequences/memory.ts";
import { createMetrics } from "../../../core/telemetry/metrics.ts";
import { socketWire } from "../../../core/wire/socket.ts";
import { FleetWatch } from "../../../gateway/control/fleet-watch.ts";
import type { Inference } from "../../../gateway/serving/inference.ts";
import { createModelServing } from "../../../gateway/serving/model-serving.ts";
import { createTextServing } from "../../../gateway/serving/text-serving.ts";
import { Agent } from "../../../node-agent/agent.ts";
import type { SequenceDurability } from "../../../node-agent/engines/sequence/sequence-log.ts";
import { modelProcesses } from "../../../node-agent/runners/model-process.ts";
import { processRunners } from "../../../node-agent/runners/process.ts";
import { NEVER, QUIET } from "../../engine/onnx/model-files.ts";
import { accumulate } from "../../models/small-models.ts";
import { MemoryCutter } from "../../unit/node-agent/models/memory-cutter.ts";
import { eventually } from "./model-cluster.ts";
import { ModelRepository } from "./model-repository.ts";

const MODEL = "adding";
const REPLICA = `${MODEL}/1/1`;
const NODES = ["node-1", "node-2"];
const control = (name: string, kind: string, values: string) =>
  `{ name: "${name}" control [ { kind: CONTROL_SEQUENCE_${kind} ${values} } ] }`;
export const CONTROLS = `control_input [ ${control("START", "START", "int32_false_true: [0, 1]")},
  ${control("READY", "READY", "int32_false_true: [0, 1]")}, ${control("END", "END", "int32_false_true: [0, 10]")},
  ${control("CORRID", "CORRID", "data_type: TYPE_UINT64")} ]
  state { input_name: "INPUT_STATE" output_name: "OUTPUT_STATE" data_type: TYPE_INT32 dims: [1] }`;

export interface TwoNodes extends AsyncDisposable {
  readonly store: MemorySequenceStore;
  readonly gateways: readonly Inference[];
  /** @param flags any of S (start) and E (end). @returns the sum so far */
  step(gateway: number, id: bigint, value: number, flags?: string): Promise<number>;
  /** Nobody hears of the node any more, and it of nobody: as dead, though it runs on. */
  isolate(node: number): void;
}

/** @param batching what stands in `sequence_batching` besides controls and state */
export async function startTwoNodes(batching: string, durability: SequenceDurability): Promise<TwoNodes> {
  await using stack = new AsyncDisposableStack();
  const repository = stack.use(new ModelRepository());
  const config = `max_batch_size: 32 instance_group { count: 1 kind: KIND_CPU } sequence_batching { ${batching} ${CONTROLS} }`;
  repository.put(MODEL, { "1/model.onnx": accumulate(), "config.pbtxt": config });
  const scratch = mkdtempSync(path.join(tmpdir(), "nereid-two-nodes-"));
  stack.defer(() => rmSync(scratch, { recursive: true }));
  const broker = new MemoryBroker({ clock: systemClock });
  const links = new MemoryLinks({ clock: systemClock, random: systemRandom });
  const store = new MemorySequenceStore(systemClock);
  const metrics = stack.use(createMetrics());
  const shared = { clock: systemClock, random: systemRandom, metrics, logger: QUIET, links };
  for (const node of NODES) {
    const agent = await Agent.start({
      ...shared,
      node: nodeId(node),
      bus: stack.use(broker.connect()),
      wire: stack.use(await socketWire({})),
      runners: processRunners({ logger: QUIET }),
      cutter: new MemoryCutter(),
      modelRunners: modelProcesses({ logger: QUIET }),
      sources: new ModelSources({ repositoryFolders: [repository.folder], uploadsFolder: scratch, random: systemRandom }),
      cacheBytes: 0,
      sequences: { store, durability },
      cpu: "cpu",
      memory: () => ({ totalBytes: 2 ** 34, freeBytes: 2 ** 34 }),
      threads: 1,
    });
    stack.use(agent);
  }
  const operator = stack.use(broker.connect());
  const load = { kind: "load-model", replica: REPLICA, model: MODEL, version: "1", source: "", config: "" } as const;
  for (const node of NODES) operator.publish(SUBJECTS.control(nodeId(node)), encodeJson({ fence: 1, control: load }));
  const fronts = await Promise.all(NODES.map(() => startFront(broker, shared, stack)));
  const running = stack.move();
  const gateways = fronts.map(({ inference }) => inference);
  return {
    store,
    gateways,
    async step(gateway, id, value, flags = "") {
      const parameters = new Map<string, ParameterValue>([
        ["sequence_id", id],
        ["sequence_start", flags.includes("S")],
        ["sequence_end", flags.includes("E")],
      ]);
      const data = new Uint8Array(Int32Array.of(value).buffer);
      const inputs = [{ name: "INPUT", dtype: "INT32", shape: [1, 1], data } as const];
      const request = { model: MODEL, version: undefined, id: "", tenant: "public", parameters, priority: 0, timeoutUs: 0, inputs };
      const more = { outputs: ["OUTPUT"], deadlineMs: undefined, traceparent: "" };
      const answer = await gateways[gateway]?.infer({ ...request, ...more }, NEVER);
      return new Int32Array(new Uint8Array(answer?.outputs[0]?.data ?? []).buffer)[0] ?? Number.NaN;
    },
    isolate(node) {
      const name = nodeId(NODES[node] ?? "");
      const heartbeats = SUBJECTS.heartbeat(name);
      const submits = SUBJECTS.submit(name);
      broker.drop((subject) => subject === heartbeats || subject === submits);
      links.partition(fronts[0]?.addressOf(name) ?? "");
    },
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}

type Shared = Pick<Parameters<typeof createTextServing>[0], "clock" | "random" | "metrics" | "logger" | "links">;

/** A gateway's serving core, ready when both nodes are. */
async function startFront(broker: MemoryBroker, shared: Shared, stack: AsyncDisposableStack) {
  const bus = stack.use(broker.connect());
  const watch = stack.use(new FleetWatch(bus, shared.clock, shared.logger));
  const text = stack.use(
    createTextServing({ ...shared, bus, generations: new MemoryGenerationStore(shared.clock), fleet: watch.fleet, desired: () => [] }),
  );
  const wanted = () => [{ replica: REPLICA, model: MODEL, version: "1" }];
  const { submitter, inFlight, models: directory } = text;
  const whole = stack.use(createModelServing({ ...shared, fleet: watch.fleet, directory, submitter, inFlight, wanted, known: wanted }));
  stack.defer(watch.onChange(() => whole.refresh()));
  const isReady = () =>
    watch.fleet.models().filter(({ state }) => state.kind === "ready").length === NODES.length && whole.served().length === NODES.length;
  await eventually(isReady, (ready) => ready);
  return {
    inference: whole.inference,
    addressOf: (node: string) => watch.fleet.models().find((hosted) => hosted.node === node)?.link ?? "",
  };
}
