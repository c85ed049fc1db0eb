/**
 * The backends that need no model file, being a part of the agent (`node-agent/backends`): Triton's samples. What their models must look
 * like, in the texts and the order of the samples' own checks (identity.cc, repeat.cc, square.cc: ValidateModelConfig). Pure.
 */
import type { ModelConfig, ModelInput, ModelOutput } from "../../../protos/gen/model_config_pb.ts";
import { dataTypeName } from "./data-type.ts";
import type { ConfigPath, ConfigProblem } from "./problems/problem.ts";

type Port = ModelInput | ModelOutput;

const PROBLEMS: Readonly<Record<string, (config: ModelConfig) => Generator<ConfigProblem>>> = {
  identity: identityProblems,
  repeat: repeatProblems,
  square: squareProblems,
};

export const isBuiltInBackend = (name: string): boolean => Object.hasOwn(PROBLEMS, name);

/** None for other backends. */
export function* builtInProblems(config: ModelConfig): Generator<ConfigProblem> {
  const problems = isBuiltInBackend(config.backend) ? PROBLEMS[config.backend] : undefined;
  if (problems !== undefined) yield* problems(config);
}

const typeOf = ({ dataType }: Port): string => dataTypeName(dataType);
const listed = (shape: readonly bigint[]): string => `[${shape.join(",")}]`;
const modelShape = ({ reshape, dims }: Port): readonly bigint[] => reshape?.shape ?? dims;

function* identityProblems({ input, output }: ModelConfig): Generator<ConfigProblem> {
  if (input.length !== output.length) {
    yield { message: "model configuration must have equal input/output pairs", path: ["output"], fix: "list an OUTPUTn for each INPUTn" };
    return;
  }
  for (const [index, { name }] of input.entries()) {
    if (name.startsWith("INPUT")) continue;
    const message = `expected input name to follow INPUT<index> pattern, got '${name}'`;
    yield { message, path: ["input", index, "name"], fix: `name it INPUT${index}` };
  }
  for (const [index, port] of output.entries()) {
    const path = ["output", index];
    if (!port.name.startsWith("OUTPUT")) {
      const message = `expected output name to follow OUTPUT<index> pattern, got '${port.name}'`;
      yield { message, path: [...path, "name"], fix: `name it OUTPUT${index}` };
      continue;
    }
    const source = input.find(({ name }) => name.slice("INPUT".length) === port.name.slice("OUTPUT".length));
    yield* pairProblems(source, port, path);
  }
}

function* pairProblems(source: ModelInput | undefined, port: ModelOutput, path: ConfigPath): Generator<ConfigProblem> {
  if (source === undefined) {
    yield { message: "expected input and output indices to match", path: [...path, "name"], fix: "give the pair one number" };
  } else if (source.dataType !== port.dataType) {
    const message = `expected input and output datatype to match, got ${typeOf(source)} and ${typeOf(port)}`;
    yield { message, path: [...path, "data_type"], fix: `write ${typeOf(source)}` };
  } else if (listed(modelShape(source)) !== listed(modelShape(port))) {
    const message = `expected input and output shape to match, got ${listed(modelShape(source))} and ${listed(modelShape(port))}`;
    yield { message, path: [...path, "dims"], fix: `write ${listed(modelShape(source))}` };
  }
}

/** A tensor that a sample backend wants; `any` dims: one dimension of any size. */
interface WantedPort {
  readonly name: string;
  readonly dims: "one" | "any";
  readonly type: "INT32" | "UINT32";
}

const REPEAT_INPUTS: readonly WantedPort[] = [
  { name: "IN", dims: "any", type: "INT32" },
  { name: "DELAY", dims: "any", type: "UINT32" },
  { name: "WAIT", dims: "one", type: "UINT32" },
];
const REPEAT_OUTPUTS: readonly WantedPort[] = [
  { name: "OUT", dims: "one", type: "INT32" },
  { name: "IDX", dims: "one", type: "UINT32" },
];
const SQUARE_INPUTS: readonly WantedPort[] = [{ name: "IN", dims: "one", type: "INT32" }];
const SQUARE_OUTPUTS: readonly WantedPort[] = [{ name: "OUT", dims: "one", type: "INT32" }];
const ORDINALS = ["first", "second", "third"];

function* repeatProblems(config: ModelConfig): Generator<ConfigProblem> {
  if (config.maxBatchSize !== 0) {
    const message = "repeat backend only supports models with max_batch_size == 0";
    yield { message, path: ["max_batch_size"], fix: "remove max_batch_size" };
  }
  yield* portProblems(config.input, REPEAT_INPUTS, "input");
  yield* portProblems(config.output, REPEAT_OUTPUTS, "output");
  const [values, delays] = config.input;
  if (values === undefined || delays === undefined || listed(values.dims) === listed(delays.dims)) return;
  const message = `expected IN and DELAY shape to match, got ${listed(values.dims)} and ${listed(delays.dims)}`;
  yield { message, path: ["input", 1, "dims"], fix: `write ${listed(values.dims)}` };
}

function* squareProblems(config: ModelConfig): Generator<ConfigProblem> {
  yield* portProblems(config.input, SQUARE_INPUTS, "input");
  yield* portProblems(config.output, SQUARE_OUTPUTS, "output");
}

function* portProblems(ports: readonly Port[], wanted: readonly WantedPort[], kind: "input" | "output"): Generator<ConfigProblem> {
  if (ports.length !== wanted.length) {
    const message = `expected ${wanted.length} ${kind}${wanted.length === 1 ? "" : "s"}, got ${ports.length}`;
    yield { message, path: [kind], fix: `list ${wanted.map(({ name }) => name).join(", ")}` };
    return;
  }
  for (const [index, want] of wanted.entries()) {
    const port = ports[index];
    if (port !== undefined)
      yield* onePortProblems(port, want, { kind, ordinal: wanted.length === 1 ? "first" : (ORDINALS[index] ?? ""), path: [kind, index] });
  }
}

function* onePortProblems(
  port: Port,
  { name, dims, type }: WantedPort,
  { kind, ordinal, path }: { readonly kind: string; readonly ordinal: string; readonly path: ConfigPath },
): Generator<ConfigProblem> {
  if (port.name !== name) {
    const message = `expected ${ordinal} ${kind} tensor name to be ${name}, got ${port.name}`;
    yield { message, path: [...path, "name"], fix: `name it ${name}` };
  } else if (dims === "any" && port.dims.length !== 1) {
    const message = `expected ${name} shape to have one dimension, got ${listed(port.dims)}`;
    yield { message, path: [...path, "dims"], fix: "write [ -1 ]" };
  } else if (dims === "one" && listed(port.dims) !== "[1]") {
    const message = `expected ${name} shape to be [1], got ${listed(port.dims)}`;
    yield { message, path: [...path, "dims"], fix: "write [ 1 ]" };
  } else if (typeOf(port) !== `TYPE_${type}`) {
    const message = `expected ${name} datatype to be ${type}, got ${typeOf(port)}`;
    yield { message, path: [...path, "data_type"], fix: `write TYPE_${type}` };
  }
}
