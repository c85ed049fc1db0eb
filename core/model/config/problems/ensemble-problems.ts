/** What is wrong with an ensemble as its own configuration tells it, in Triton's words: the flow of its tensors. Pure. */
import type { ModelConfig, ModelEnsembling } from "../../../../protos/gen/model_config_pb.ts";
import { ENSEMBLE_PLATFORM } from "../backend-fields.ts";
import type { ConfigProblem } from "./problem.ts";

const ROOT = "ensemble_scheduling";

interface FlowTensor {
  readonly name: string;
  /** Some step writes it. */
  isWritten: boolean;
  isReady: boolean;
  /** What the step that writes it reads. */
  readonly needs: FlowTensor[];
  /** What the steps that read it write. */
  readonly feeds: FlowTensor[];
}

type Flow = ReadonlyMap<string, FlowTensor>;

export function* ensembleProblems(config: ModelConfig, ensemble: ModelEnsembling): Generator<ConfigProblem> {
  const { name } = config;
  if (config.platform !== ENSEMBLE_PLATFORM) {
    const message = `ensemble scheduling cannot be set for model '${name}' whose platform is not ${ENSEMBLE_PLATFORM}`;
    yield { message, path: [ROOT], fix: `set platform: "${ENSEMBLE_PLATFORM}"` };
  }
  if (config.instanceGroup.length > 0) {
    const message = `instance group should not be specified for ensemble '${name}'`;
    yield { message, path: ["instance_group"], fix: "remove instance_group: the composing models have their own" };
  }
  if (config.optimization !== undefined) {
    yield { message: `optimization should not be specified for ensemble '${name}'`, path: ["optimization"], fix: "remove optimization" };
  }
  if (config.modelWarmup.length > 0) {
    const message = `model_warmup can not be specified for ensemble '${name}'`;
    yield { message, path: ["model_warmup"], fix: "warm up the composing models" };
  }
  const problems = [...stepProblems(config, ensemble)];
  yield* problems;
  if (problems.length === 0) yield* flowProblems(config, flowOf(ensemble));
}

function* stepProblems({ name }: ModelConfig, { step: steps }: ModelEnsembling): Generator<ConfigProblem> {
  if (steps.length === 0) yield { message: `must specify 'step' for ensemble '${name}'`, path: [ROOT], fix: "add a step" };
  const written = new Set<string>();
  for (const [index, { modelName, inputMap, outputMap }] of steps.entries()) {
    const path = [ROOT, "step", index];
    const missing = [
      { field: "model_name", isMissing: modelName === "" },
      { field: "input_map", isMissing: Object.keys(inputMap).length === 0 },
      { field: "output_map", isMissing: Object.keys(outputMap).length === 0 },
    ].find(({ isMissing }) => isMissing);
    if (missing !== undefined) {
      yield { message: `must specify '${missing.field}' in step ${index} of ensemble '${name}'`, path, fix: `add ${missing.field}` };
    }
    for (const [output, tensor] of Object.entries(outputMap)) {
      if (written.has(tensor)) {
        const message = `ensemble tensor '${tensor}' can appear in an output map only once for ensemble '${name}' step ${index}`;
        yield { message, path: [...path, "output_map", output], fix: "give the second one a name of its own" };
      }
      written.add(tensor);
    }
  }
}

function flowOf({ step: steps }: ModelEnsembling): Flow {
  const flow = new Map<string, FlowTensor>();
  const tensor = (name: string): FlowTensor => {
    const known = flow.get(name) ?? { name, isWritten: false, isReady: false, needs: [], feeds: [] };
    flow.set(name, known);
    return known;
  };
  for (const { inputMap, outputMap } of steps) {
    const outputs = Object.values(outputMap).map(tensor);
    const inputs = Object.values(inputMap).map(tensor);
    for (const output of outputs) {
      output.isWritten = true;
      output.needs.push(...inputs);
    }
    for (const input of inputs) input.feeds.push(...outputs);
  }
  return flow;
}

function* flowProblems(config: ModelConfig, flow: Flow): Generator<ConfigProblem> {
  const { name } = config;
  for (const [index, input] of config.input.entries()) {
    if (flow.has(input.name)) continue;
    const message = `ensemble input '${input.name}' for ensemble ${name}' is not used`; // the quote is missing in Triton as well
    yield { message, path: ["input", index], fix: "map it to an input of a step, or remove it" };
  }
  markReady(config, flow);
  for (const [index, { name: output }] of config.output.entries()) {
    const tensor = flow.get(output);
    if (tensor === undefined) {
      const message = `ensemble output '${output}' for ensemble ${name}' is not used`;
      yield { message, path: ["output", index], fix: "map an output of a step to it, or remove it" };
    } else if (!tensor.isReady) {
      const source = sourceOfUnready(tensor);
      const because = source === tensor ? "" : `: at least one of its depending tensors, '${source.name}', is not connected`;
      const message = `output '${output}' for ensemble '${name}' is not written${because}`;
      yield { message, path: ["output", index], fix: "map an output of a step, or an input of the ensemble, to every tensor that is read" };
    }
  }
  const outputs = new Set(config.output.map((output) => output.name));
  for (const tensor of flow.values()) {
    if (outputs.has(tensor.name) || (tensor.isReady && tensor.feeds.length > 0)) continue;
    const message = `ensemble tensor '${tensor.name}' is unused in ensemble '${name}'`;
    yield { message, path: [ROOT], fix: "remove it from the map, or read it in a step" };
  }
}

/** A tensor is ready when all that its step needs is ready, beginning with the ensemble's inputs. */
function markReady(config: ModelConfig, flow: Flow): void {
  const queue = config.input.flatMap(({ name }) => flow.get(name) ?? []);
  for (const input of queue) input.isReady = true;
  for (let ready = queue.shift(); ready !== undefined; ready = queue.shift()) {
    for (const next of ready.feeds) {
      if (next.isReady || !next.needs.every(({ isReady }) => isReady)) continue;
      next.isReady = true;
      queue.push(next);
    }
  }
}

function sourceOfUnready(output: FlowTensor): FlowTensor {
  const seen = new Set([output]);
  let source = output;
  for (;;) {
    const next = source.needs.find((tensor) => !tensor.isReady && !seen.has(tensor));
    if (next === undefined) return source;
    seen.add(next);
    source = next;
  }
}
