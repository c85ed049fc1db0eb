/** Judges a configuration that a test has written, as a server would at load. */
import type { ModelConfiguration } from "../../../../../core/model/config/configuration.ts";
import { type DraftConfig, draftConfig, type FinishedConfig, finishConfig } from "../../../../../core/model/config/prepare.ts";
import { isDtype } from "../../../../../core/tensor/dtype.ts";
import type { ModelPort, ModelSignature } from "../../../../../core/wire/model-runner.ts";

export interface Judged extends FinishedConfig {
  readonly draft: DraftConfig;
  readonly messages: readonly string[];
}

export interface JudgeOptions {
  readonly files?: readonly string[];
  readonly signature?: ModelSignature;
  readonly composing?: ReadonlyMap<string, ModelConfiguration>;
}

/** The model is called `m`. */
export function judge(text: string, { files = ["config.pbtxt", "1/model.onnx"], signature, composing }: JudgeOptions = {}): Judged {
  const draft = draftConfig({ name: "m", files }, { kind: "file", name: "config.pbtxt", text });
  const finished = finishConfig(draft, { signature, ...(composing === undefined ? {} : { composing }) });
  return { ...finished, draft, messages: finished.problems.map(({ message }) => message) };
}

/** @param ports `NAME TYPE SIZE,SIZE`, an optional one ends with `?` */
export function ports(...descriptions: readonly string[]): readonly ModelPort[] {
  return descriptions.map((text) => {
    const [name = "", dtype, sizes = ""] = text.replace("?", "").split(" ");
    if (!isDtype(dtype)) throw new Error(`no datatype in '${text}'`);
    return { name, dtype, shape: sizes === "" ? [] : sizes.split(",").map(Number), optional: text.endsWith("?") };
  });
}

/** A composing model, by its tensors as `ports` describes them. */
export interface ModelTensors {
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly maxBatchSize?: number;
  readonly decoupled?: boolean;
}

export function modelOf(name: string, { inputs, outputs, maxBatchSize = 0, decoupled = false }: ModelTensors): ModelConfiguration {
  const { configuration } = judge(`backend: "python" max_batch_size: ${maxBatchSize} model_transaction_policy { decoupled: ${decoupled} }`);
  if (configuration === undefined) throw new Error("a plain model has no problems");
  const tensors = (texts: readonly string[]) =>
    ports(...texts).map(({ name: tensor, dtype, shape, optional }) => ({
      name: tensor,
      dtype,
      dims: shape,
      shape,
      reshape: undefined,
      optional,
    }));
  return {
    ...configuration,
    name,
    inputs: tensors(inputs).map((input) => ({ ...input, ragged: false })),
    outputs: tensors(outputs).map((output) => ({ ...output, labelFile: undefined })),
  };
}
