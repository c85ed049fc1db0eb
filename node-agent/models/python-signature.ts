/** What a Python model with sequences takes and gives: all that is known of it is its configuration. Pure. */
import type { ModelConfiguration, SequenceBatching } from "../../core/model/config/configuration.ts";
import type { ModelPort, ModelSignature } from "../../core/wire/model-runner.ts";

type Port = Pick<ModelPort, "name" | "dtype"> & { readonly dims: ModelPort["shape"] };

export function pythonSignature({ inputs, outputs }: ModelConfiguration, { controls, states }: SequenceBatching): ModelSignature {
  const port = ({ name, dtype, dims }: Port): ModelPort => ({ name, dtype, shape: dims, optional: false });
  return {
    inputs: [
      ...inputs.map((input) => ({ ...port(input), optional: input.optional })),
      ...controls.map(({ name, dtype }) => port({ name, dtype, dims: [1] })),
      ...states.map(({ inputName: name, dtype, dims }) => port({ name, dtype, dims })),
    ],
    outputs: [...outputs.map(port), ...states.map(({ outputName: name, dtype, dims }) => port({ name, dtype, dims }))],
  };
}
