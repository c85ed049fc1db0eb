/** From a stateful model's configuration to what its engine must know. */
import { assert, ServingError } from "../../core/errors.ts";
import type { ModelConfiguration, SequenceBatching, SequenceState } from "../../core/model/config/configuration.ts";
import { PYTHON_BACKEND } from "../../core/model/config/served-backends.ts";
import type { ModelFiles } from "../../core/repository/repository.ts";
import { byteSize, elementCount, joinBytesElements, type Shape, type Tensor } from "../../core/tensor/tensor.ts";
import type { PlannedInput, PlannedOutput } from "../engines/batch/batch-plan.ts";
import { RowTensors } from "../engines/sequence/row-tensors.ts";
import type { PlannedState, SequencePlan } from "../engines/sequence/sequence-plan.ts";
import { enginePlan } from "./engine-plan.ts";
import { warmUpBatches } from "./warm-up-batches.ts";

const FILE_BYTES_MAX = 256 * 1024 * 1024;

/** @throws ServingError INVALID_ARGUMENT when a file holds too little, UNIMPLEMENTED for what this version does not serve */
export async function sequencePlan(
  configuration: ModelConfiguration,
  options: {
    /** TRITONSERVER_DELAY_SCHEDULER; 0: none. */
    readonly startAfter: number;
    /** TRITONSERVER_BACKLOG_DELAY_SCHEDULER; 0: none. */
    readonly backlogAfter?: number;
  },
  files: ModelFiles,
): Promise<SequencePlan> {
  const { scheduler } = configuration;
  assert(scheduler.kind === "sequence", "a model with sequences asks for their scheduler");
  const base = enginePlan(configuration, options);
  const states: PlannedState[] = [];
  for (const state of scheduler.states) states.push(await plannedState(state, configuration, files));
  const batch = {
    ...base,
    inputs: [...base.inputs, ...serverInputs(scheduler)],
    outputs: [...base.outputs, ...stateOutputs(scheduler, base.outputs)],
  };
  const plan = {
    batch: { ...batch, warmUps: [] },
    inputs: base.inputs,
    outputs: base.outputs.map(({ name }) => name),
    strategy: scheduler.strategy,
    idleUs: scheduler.idleUs,
    iterative: scheduler.iterative,
    controls: scheduler.controls,
    states,
    startAfter: options.startAfter,
    backlogAfter: options.backlogAfter ?? 0,
    apart: configuration.backend === PYTHON_BACKEND,
  };
  const rows = new RowTensors(plan);
  const first = { id: 1n, start: true, end: false, states: states.map(({ initial }) => initial) };
  const warmUps = await warmUpBatches(configuration, batch, files, (request) => {
    const { inputs, outputs } = rows.row(request, first).submit;
    const own = new Set(request.inputs.map(({ name }) => name)); // a sample may bring its own controls
    return { inputs: inputs.filter(({ name }, place) => place < own.size || !own.has(name)), outputs };
  });
  return { ...plan, batch: { ...batch, warmUps } };
}

const plain = (name: string, dims: Shape): PlannedInput => ({ name, dims, reshape: undefined, optional: false, ragged: false });

function serverInputs({ controls, states }: SequenceBatching): readonly PlannedInput[] {
  return [...controls.map(({ name }) => plain(name, [1])), ...states.map(({ inputName, dims }) => plain(inputName, dims))];
}

/** A state that clients may see as well is an output already. */
function stateOutputs({ states }: SequenceBatching, outputs: readonly PlannedOutput[]): readonly PlannedOutput[] {
  return states
    .filter(({ outputName }) => !outputs.some(({ name }) => name === outputName))
    .map(({ outputName, dims }) => ({ name: outputName, dims, reshape: undefined, shapedLike: undefined }));
}

async function plannedState(state: SequenceState, { maxBatchSize }: ModelConfiguration, files: ModelFiles): Promise<PlannedState> {
  const { inputName: name, outputName, dtype, dims, initial } = state;
  const own = (initial.kind === "none" ? dims : initial.dims).map((size) => (size === -1 ? 1 : size));
  const bytes = byteSize(dtype, own);
  const data = initial.kind === "file" ? await fileData(initial.file, bytes, files) : zeros(own, bytes);
  const tensor: Tensor = { name, dtype, shape: maxBatchSize > 0 ? [1, ...own] : own, data };
  return { outputName, initial: tensor, varies: dims.includes(-1) };
}

const zeros = (shape: Shape, bytes: number | undefined): Uint8Array =>
  bytes === undefined ? joinBytesElements(Array.from({ length: elementCount(shape) }, () => new Uint8Array())) : new Uint8Array(bytes);

/** Triton's text for a file that is too short. */
async function fileData(file: string, bytes: number | undefined, files: ModelFiles): Promise<Uint8Array> {
  const name = `initial_state/${file}`;
  const info = (await files.list()).find((one) => one.name === name);
  if (info === undefined) throw new ServingError("NOT_FOUND", `initial state file '${name}' is not in the model's folder`);
  const wanted = bytes ?? info.bytes;
  if (info.bytes < wanted) {
    throw new ServingError(
      "INVALID_ARGUMENT",
      `initial_state setting expects ${wanted} bytes, but the data provided from ${file}only has ${info.bytes} bytes.`,
    );
  }
  if (wanted > FILE_BYTES_MAX)
    throw new ServingError("INVALID_ARGUMENT", `initial state file '${name}' has ${wanted} bytes, at most ${FILE_BYTES_MAX} are read`);
  return await files.readRange(name, 0, wanted);
}
