/** What is wrong with sequence batching, in Triton's words: controls, strategies, states. Pure. */
import {
  type ModelSequenceBatching_Control as Control,
  ModelSequenceBatching_Control_Kind as Kind,
  type ModelConfig,
  type ModelSequenceBatching,
  ModelSequenceBatching_Control_KindSchema,
  type ModelSequenceBatching_State as State,
} from "../../../../protos/gen/model_config_pb.ts";
import { dataTypeName, dtypeOf } from "../data-type.ts";
import type { ConfigPath, ConfigProblem } from "./problem.ts";

const ROOT = "sequence_batching";
const CORRID_TYPES = ["TYPE_UINT64", "TYPE_INT64", "TYPE_UINT32", "TYPE_INT32", "TYPE_STRING"];

export function* sequenceBatchingProblems(config: ModelConfig, batching: ModelSequenceBatching): Generator<ConfigProblem> {
  if (config.responseCache?.enable === true) {
    yield {
      message: `Response Cache does not currently support model ${config.name} with sequence batching scheduler. Please disable the response cache.`,
      path: ["response_cache"],
      fix: "remove response_cache",
    };
  }
  yield* controlNameProblems(config, batching);
  for (const kind of [Kind.CONTROL_SEQUENCE_START, Kind.CONTROL_SEQUENCE_END, Kind.CONTROL_SEQUENCE_READY, Kind.CONTROL_SEQUENCE_CORRID]) {
    yield* controlKindProblems(config, batching, kind);
  }
  yield* strategyProblems(config, batching);
  yield* stateProblems(batching);
}

function* controlNameProblems(config: ModelConfig, { controlInput }: ModelSequenceBatching): Generator<ConfigProblem> {
  const seen = new Set<string>();
  for (const [index, { name }] of controlInput.entries()) {
    const path = [ROOT, "control_input", index];
    if (name === "") {
      const message = `sequence batching control tensor must have a name for ${config.name}`;
      yield { message, path, fix: "add name: the model's input that takes the control" };
    } else if (seen.has(name)) {
      const message = `sequence batching control tensor '${name}' is specified for multiple control kinds for ${config.name}`;
      yield { message, path: [...path, "name"], fix: "give each control an input of its own" };
    }
    seen.add(name);
  }
}

function* controlKindProblems(config: ModelConfig, { controlInput }: ModelSequenceBatching, kind: Kind): Generator<ConfigProblem> {
  const kindName = ModelSequenceBatching_Control_KindSchema.value[kind]?.name ?? String(kind);
  let seen = false;
  for (const [index, { control }] of controlInput.entries()) {
    for (const [position, one] of control.entries()) {
      if (one.kind !== kind) continue;
      const path = [ROOT, "control_input", index, "control", position];
      if (seen) {
        const message = `sequence batching specifies multiple ${kindName} tensors for ${config.name}`;
        yield { message, path, fix: `keep one control of kind ${kindName}` };
        return;
      }
      seen = true;
      yield* kind === Kind.CONTROL_SEQUENCE_CORRID ? corridProblems(config, one, path) : booleanProblems(config, one, kindName, path);
    }
  }
}

function* booleanProblems(config: ModelConfig, control: Control, kindName: string, path: ConfigPath): Generator<ConfigProblem> {
  const given = valueFields(control);
  const ending = `for ${kindName} for ${config.name}`;
  if (given.length === 0) {
    const message = `sequence batching must specify either 'int32_false_true', 'fp32_false_true' or 'bool_false_true' ${ending}`;
    yield { message, path, fix: "add for example int32_false_true: [ 0, 1 ]" };
  } else if (given.length > 1) {
    const message = `sequence batching specifies more than one from 'int32_false_true', 'fp32_false_true' and 'bool_false_true' ${ending}`;
    yield { message, path, fix: "keep the one of the input's datatype" };
  } else if (given[0] !== undefined && given[0].count !== 2) {
    const message = `sequence batching control '${given[0].name}' must have exactly 2 entries ${ending}`;
    yield { message, path: [...path, given[0].name], fix: "write the value for false, then the value for true" };
  }
}

function* corridProblems(config: ModelConfig, control: Control, path: ConfigPath): Generator<ConfigProblem> {
  const kindName = "CONTROL_SEQUENCE_CORRID";
  if (valueFields(control).length > 0) {
    const message = `sequence batching must not specify either 'int32_false_true', 'fp32_false_true' or 'bool_false_true' for ${kindName} for ${config.name}`;
    yield { message, path, fix: "give data_type instead" };
  } else if (!CORRID_TYPES.includes(dataTypeName(control.dataType))) {
    const [last] = CORRID_TYPES.slice(-1);
    const message = `unexpected data type for control ${kindName} for ${config.name}. Allowed data types are ${CORRID_TYPES.slice(0, -1).join(", ")} and ${last}`;
    yield { message, path, fix: "set data_type to one of them" };
  }
}

function valueFields({ int32FalseTrue, fp32FalseTrue, boolFalseTrue }: Control): { readonly name: string; readonly count: number }[] {
  return [
    { name: "int32_false_true", count: int32FalseTrue.length },
    { name: "fp32_false_true", count: fp32FalseTrue.length },
    { name: "bool_false_true", count: boolFalseTrue.length },
  ].filter(({ count }) => count > 0);
}

function* strategyProblems(config: ModelConfig, { strategyChoice }: ModelSequenceBatching): Generator<ConfigProblem> {
  if (strategyChoice.case === "oldest") {
    for (const [index, size] of strategyChoice.value.preferredBatchSize.entries()) {
      const path = [ROOT, "oldest", "preferred_batch_size", index];
      const fix = `write sizes from 1 to max_batch_size, which is ${config.maxBatchSize}`;
      if (size <= 0) yield { message: `sequence batching preferred batch size must be positive for ${config.name}`, path, fix };
      else if (size > config.maxBatchSize) {
        yield { message: `sequence batching preferred batch size must be <= max batch size for ${config.name}`, path, fix };
      }
    }
  }
  if (strategyChoice.case !== "direct") return;
  const share = strategyChoice.value.minimumSlotUtilization;
  if (share >= 0 && share <= 1) return;
  yield {
    message: `sequence batching minimum slot utilization must be in range (0.0, 1.0] for ${config.name}`,
    path: [ROOT, "direct", "minimum_slot_utilization"],
    fix: "write a share of the slots, such as 0.5",
  };
}

function* stateProblems({ state: states }: ModelSequenceBatching): Generator<ConfigProblem> {
  const seen = new Set<string>();
  for (const [index, state] of states.entries()) {
    const path = [ROOT, "state", index];
    const name = state.inputName;
    if (dtypeOf(state.dataType) === undefined) {
      yield { message: `sequence batching state '${name}' must specify 'data_type'`, path, fix: "add data_type, such as TYPE_FP32" };
      continue;
    }
    if (state.initialState.length > 1) {
      const message = `initial_state field for state input '${name}' must contain exactly one or zero element. Found '${state.initialState.length}' elements.`;
      yield { message, path: [...path, "initial_state", 1], fix: "keep one" };
      continue;
    }
    if (seen.has(name)) yield { message: `State input name '${name}' specified more than once.`, path, fix: "name another input" };
    seen.add(name);
    yield* initialStateProblems(state, path);
    if (state.useGrowableMemory) yield growableMemoryProblem(state, path);
  }
}

function growableMemoryProblem({ inputName, useSameBufferForInputOutput }: State, path: ConfigPath): ConfigProblem {
  const message = useSameBufferForInputOutput
    ? `'use_growable_memory' can only work with KIND_GPU model instances right now. Please either change the instance type to KIND_GPU or set 'use_growable_memory' to false for state input '${inputName}'.`
    : `In order to 'use_growable_memory', you must also enable 'use_single_buffer' for state input name '${inputName}'.`;
  return { message, path: [...path, "use_growable_memory"], fix: "remove use_growable_memory" };
}

/** Stops at the state's first fault. */
function* initialStateProblems(state: State, path: ConfigPath): Generator<ConfigProblem> {
  const [initial] = state.initialState;
  if (initial === undefined) return;
  const name = state.inputName;
  const at = [...path, "initial_state", 0];
  if (initial.dataType !== state.dataType) {
    const message = `The data type used for 'initial_state' field of state '${name}' does not match the state data type.`;
    yield { message, path: at, fix: `set its data_type to ${dataTypeName(state.dataType)}` };
  } else if (initial.name === "") {
    const message = `Field 'name' must be set when using initial_state for state input '${name}'.`;
    yield { message, path: at, fix: "add name, any text" };
  } else if (initial.dims.length !== state.dims.length) {
    const message = `Number of dimensions in 'initial_state' doesn't match the size of 'state' dimensions for state input '${name}'. ${initial.dims.length} != ${state.dims.length}`;
    yield { message, path: [...at, "dims"], fix: "list as many dims as the state has" };
  } else if (initial.dims.includes(-1n)) {
    const message = `'initial_state' field for state input name '${name}' contains variable dimensions.`;
    yield { message, path: [...at, "dims"], fix: "write the sizes of the first request" };
  } else {
    const wrong = initial.dims.findIndex((size, index) => state.dims[index] !== -1n && state.dims[index] !== size);
    if (wrong !== -1) {
      const message = `'initial_state' dim for input name '${name}' doesn't match 'state' dim description. ${initial.dims[wrong]} != ${state.dims[wrong]}`;
      yield { message, path: [...at, "dims", wrong], fix: `write ${state.dims[wrong]}` };
    } else if (initial.stateData.case === undefined) {
      const message = `initial_state setting expects state'${name}' to have state_data set`;
      yield { message, path: at, fix: "add zero_data: true or data_file" };
    }
  }
}
