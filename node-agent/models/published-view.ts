/** Makes what clients may know of a model from its configuration and its label files. */

import { ServingError } from "../../core/errors.ts";
import type { ModelConfiguration } from "../../core/model/config/configuration.ts";
import { runsOnce } from "../../core/model/config/retry-setting.ts";
import { PYTHON_BACKEND } from "../../core/model/config/served-backends.ts";
import type { PublishedModel, TensorSource, TensorSpec } from "../../core/model/published-model.ts";
import type { ModelFiles } from "../../core/repository/repository.ts";

const LABEL_BYTES_MAX = 4 * 1024 * 1024;

/** @throws ServingError NOT_FOUND when a label file is not there, INVALID_ARGUMENT when a parameter is none. */
export async function publishedView(
  configuration: ModelConfiguration,
  options: {
    readonly version: string;
    readonly configJson: string;
    readonly files: ModelFiles /** Of a model with sequences: their states survive their node. */;
    readonly kept?: boolean;
  },
): Promise<PublishedModel> {
  const { name, backend, platform, maxBatchSize, decoupled } = configuration;
  const { version, configJson, files, kept = false } = options;
  const inputs = configuration.inputs.map(
    (input): TensorSpec => ({ ...specOf(input), optional: input.optional, ragged: input.ragged, labels: [] }),
  );
  const { scheduler } = configuration;
  const outputs: TensorSpec[] = [];
  for (const output of configuration.outputs) {
    const labels = output.labelFile === undefined ? [] : await readLabels(files, output.labelFile);
    const source = sourceOf(output.name, scheduler);
    outputs.push({ ...specOf(output), optional: false, ragged: false, labels, ...(source && { source }) });
  }
  const callsModels = (scheduler.kind === "ensemble" || backend === PYTHON_BACKEND) && { callsModels: true };
  const members = scheduler.kind === "ensemble" && {
    members: scheduler.steps.map((step) => ({ model: step.model, version: step.version })),
  };
  const sequences = scheduler.kind === "sequence" && !scheduler.iterative && { sequences: { idleMs: scheduler.idleUs / 1000, kept } };
  const once = runsOnce(configuration) && { runsOnce: true as const };
  const seen = { name, version, platform, maxBatchSize, decoupled, inputs, outputs, configJson };
  return { ...seen, ...callsModels, ...members, ...once, ...sequences };
}

const specOf = ({ name, dtype, shape }: Pick<TensorSpec, "name" | "dtype" | "shape">) => ({ name, dtype, shape });

/** @returns undefined for outputs that a model makes itself */
function sourceOf(output: string, scheduler: ModelConfiguration["scheduler"]): TensorSource | undefined {
  if (scheduler.kind !== "ensemble") return undefined;
  for (const { model, version, outputs } of scheduler.steps) {
    for (const [name, tensor] of outputs) if (tensor === output) return { model, version, output: name };
  }
  return undefined;
}

/** A label a line. */
async function readLabels(files: ModelFiles, name: string): Promise<readonly string[]> {
  const file = (await files.list()).find((one) => one.name === name);
  if (file === undefined) throw new ServingError("NOT_FOUND", `label file '${name}' is not in the model's folder`);
  if (file.bytes > LABEL_BYTES_MAX)
    throw new ServingError("INVALID_ARGUMENT", `label file '${name}' has ${file.bytes} bytes, at most ${LABEL_BYTES_MAX} are read`);
  const text = new TextDecoder().decode(await files.readRange(name, 0, file.bytes));
  return text
    .split("\n")
    .map((line) => line.replace(/\r$/, ""))
    .filter((line, index, lines) => line !== "" || index < lines.length - 1);
}
