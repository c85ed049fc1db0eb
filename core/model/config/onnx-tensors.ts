/** Tensors of a model file that requests do not carry: the server makes them, or keeps them. Pure. */
import type { ModelConfig } from "../../../protos/gen/model_config_pb.ts";

export interface ServerTensors {
  /** Sequence controls, sequence states, and what is computed from the batch. */
  readonly inputs: ReadonlySet<string>;
  /** Sequence states. */
  readonly outputs: ReadonlySet<string>;
}

export function serverTensors({ batchInput, schedulingChoice }: ModelConfig): ServerTensors {
  const inputs = new Set(batchInput.flatMap(({ targetName }) => targetName));
  const outputs = new Set<string>();
  if (schedulingChoice.case === "sequenceBatching") {
    for (const { name } of schedulingChoice.value.controlInput) inputs.add(name);
    for (const { inputName, outputName } of schedulingChoice.value.state) {
      inputs.add(inputName);
      outputs.add(outputName);
    }
  }
  return { inputs, outputs };
}
