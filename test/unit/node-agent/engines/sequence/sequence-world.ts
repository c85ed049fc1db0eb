/** Sequence engines of several nodes over scripted runners and one store, on a clock that the test moves: a model that adds up. */
import type { InferSubmit } from "../../../../../core/messages/infer.ts";
import type { ParameterValue } from "../../../../../core/messages/parameter-value.ts";
import type { SequencePassage } from "../../../../../core/messages/sequence-step.ts";
import { sequenceOwner } from "../../../../../core/messages/sequence-step.ts";
import { seededRandom } from "../../../../../core/random.ts";
import { MemorySequenceStore } from "../../../../../core/store/sequences/memory.ts";
import type { Tensor } from "../../../../../core/tensor/tensor.ts";
import type { ModelSignature } from "../../../../../core/wire/model-runner.ts";
import type { ExecutionGate } from "../../../../../node-agent/engines/batch/execution-gate.ts";
import { SequenceEngine } from "../../../../../node-agent/engines/sequence/sequence-engine.ts";
import type { SequenceDurability } from "../../../../../node-agent/engines/sequence/sequence-log.ts";
import { sequenceLogs } from "../../../../../node-agent/models/sequence-keeping.ts";
import { sequencePlan } from "../../../../../node-agent/models/sequence-plan.ts";
import { accumulate } from "../../../../models/small-models.ts";
import { FakeClock, turns } from "../../../../support/fake-clock.ts";
import { ScriptedModelRunners } from "../../../../support/scripted/scripted-model-runner.ts";
import { configured } from "../../models/configured.ts";
import { ints, NEVER, OPEN, Outcome, QUIET, request, valuesOf } from "../batch/batch-world.ts";

const control = (name: string, kind: string, values: string) =>
  `{ name: "${name}" control [ { kind: CONTROL_SEQUENCE_${kind} ${values} } ] }`;
export const CONTROLS = `control_input [ ${control("START", "START", "int32_false_true: [0, 1]")},
  ${control("READY", "READY", "int32_false_true: [0, 1]")}, ${control("END", "END", "int32_false_true: [0, 10]")},
  ${control("CORRID", "CORRID", "data_type: TYPE_UINT64")} ]
  state { input_name: "INPUT_STATE" output_name: "OUTPUT_STATE" data_type: TYPE_INT32 dims: [1] }`;

const i32 = (name: string) => ({ name, dtype: "INT32", shape: [-1, 1], optional: false }) as const;
const u64 = (name: string) => ({ name, dtype: "UINT64", shape: [-1, 1], optional: false }) as const;
const SIGNATURE: ModelSignature = {
  inputs: [..."INPUT START READY END INPUT_STATE".split(" ").map(i32), u64("CORRID")],
  outputs: [..."OUTPUT OUTPUT_STATE CONTROLS".split(" ").map(i32), u64("CORRID_SEEN")],
};

/** What `accumulate` of test/models does. */
function compute(inputs: readonly Tensor[]): readonly Tensor[] {
  const named = new Map(inputs.map((tensor) => [tensor.name, tensor]));
  const column = (name: string) => {
    const tensor = named.get(name);
    return tensor === undefined ? [] : valuesOf(tensor);
  };
  const [rows, starts, readies, ends, states] = [column("INPUT"), column("START"), column("READY"), column("END"), column("INPUT_STATE")];
  const sums = rows.map((value, row) => value + (starts[row] === 1 ? 0 : (states[row] ?? 0)));
  const controls = rows.map((_, row) => (readies[row] ?? 0) + (ends[row] ?? 0));
  const shape = [rows.length, 1];
  const made = [ints("OUTPUT", shape, sums), ints("OUTPUT_STATE", shape, sums), ints("CONTROLS", shape, controls)];
  return [...made, ...inputs.filter(({ name }) => name === "CORRID").map((tensor) => ({ ...tensor, name: "CORRID_SEEN" }))];
}

export interface SentStep extends Outcome {
  /** Who is said to own the sequence. */
  owner: string | undefined;
  cancel(): void;
  lost(): void;
}

/** What a gateway adds, with only what a test is about. */
export const passage = (fields: Partial<SequencePassage>): SequencePassage => ({ token: "", from: "", start: "", answered: 0, ...fields });

export class SequenceNode implements AsyncDisposable {
  readonly name: string;
  readonly engine: SequenceEngine;
  readonly runners: ScriptedModelRunners;
  readonly owner: string;
  readonly #world: SequenceWorld;

  constructor(
    world: SequenceWorld,
    parts: { readonly name: string; readonly engine: SequenceEngine; readonly runners: ScriptedModelRunners },
  ) {
    this.#world = world;
    this.name = parts.name;
    this.engine = parts.engine;
    this.runners = parts.runners;
    this.owner = ownerOf(parts.name);
  }

  /** @param flags any of S (start) and E (end). @throws ServingError */
  send(
    id: bigint | string | undefined,
    value: number,
    flags = "",
    fields: Partial<InferSubmit> & { readonly step?: number; readonly rows?: number } = {},
  ): SentStep {
    const { step, rows = 1, ...rest } = fields;
    const parameters = new Map<string, ParameterValue>([
      ["sequence_start", flags.includes("S")],
      ["sequence_end", flags.includes("E")],
    ]);
    if (id !== undefined) parameters.set("sequence_id", id);
    if (step !== undefined) parameters.set("sequence_step", BigInt(step));
    const inputs = [
      ints(
        "INPUT",
        [rows, 1],
        Array.from({ length: rows }, () => value),
      ),
    ];
    const sent: SentStep = Object.assign(new Outcome(this.#world), { owner: undefined, cancel: () => {}, lost: () => {} });
    const sink = {
      answered: sent.answered.bind(sent),
      failed: sent.failed.bind(sent),
      moved(to: string) {
        sent.owner = to;
      },
    };
    const handle = this.engine.infer(request([], { outputs: ["OUTPUT"], parameters, inputs, ...rest }), sink);
    return Object.assign(sent, { cancel: () => handle.cancel(), lost: () => handle.lost?.() });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.engine[Symbol.asyncDispose]();
  }
}

export const ownerOf = (node: string): string => sequenceOwner({ replica: "m/1/1", node, incarnation: "i" });

export class SequenceWorld implements AsyncDisposable {
  readonly clock = new FakeClock();
  readonly store = new MemorySequenceStore(this.clock);
  readonly order: Outcome[] = [];
  readonly #nodes: SequenceNode[] = [];

  /** @param batching what stands in `sequence_batching` besides the controls */
  async node(
    name: string,
    options: {
      readonly batching?: string;
      readonly config?: string;
      readonly durability?: SequenceDurability;
      readonly runMs?: number;
      readonly gate?: ExecutionGate;
    } = {},
  ): Promise<SequenceNode> {
    const { batching = "direct { }", config = "", durability = { kind: "none" }, runMs = 0, gate } = options;
    const group = config.includes("instance_group") ? "" : "instance_group { count: 1 kind: KIND_CPU }";
    const text = `max_batch_size: 4 ${group} ${config} sequence_batching { ${batching} ${CONTROLS} }`;
    const { configuration, files } = await configured(accumulate(), text);
    const plan = await sequencePlan(configuration, { startAfter: 0 }, files);
    const keeping = { store: this.store, durability, node: name, incarnation: "i", random: seededRandom(BigInt(this.#nodes.length)) };
    const logs = sequenceLogs(configuration, keeping, "m/1/1");
    const runners = new ScriptedModelRunners({ clock: this.clock, signature: SIGNATURE, compute, runMs: () => runMs });
    const opening = SequenceEngine.open(
      { model: "m", version: "1", open: OPEN, plan, logs },
      { runners, clock: this.clock, logger: QUIET, onRestart: () => {}, gate },
      NEVER,
    );
    await this.clock.pass(0);
    const node = new SequenceNode(this, { name, engine: await opening, runners });
    this.#nodes.push(node);
    return node;
  }

  /** What can happen without time passing has happened. */
  async settle(): Promise<void> {
    await this.clock.pass(0);
    await turns();
    await this.clock.pass(0);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const gone = Promise.all(this.#nodes.map((node) => node[Symbol.asyncDispose]()));
    await this.clock.pass(1);
    await gone;
  }
}
