/** What an inference came back with. Pure. */
import type { ParameterValue } from "../core/messages/parameter-value.ts";
import { ClientError } from "./client-error.ts";
import type { OutputTensor } from "./output-tensor.ts";

export interface InferAnswer {
  readonly model: string;
  readonly version: string;
  /** The request's; empty where it had none. */
  readonly id: string;
  readonly parameters: ReadonlyMap<string, ParameterValue>;
  readonly outputs: readonly OutputTensor[];
}

export class InferResult implements InferAnswer {
  readonly model: string;
  /** The version that answered, also when none was asked for. */
  readonly version: string;
  readonly id: string;
  readonly parameters: ReadonlyMap<string, ParameterValue>;
  /** In the server's order. */
  readonly outputs: readonly OutputTensor[];

  constructor({ model, version, id, parameters, outputs }: InferAnswer) {
    this.model = model;
    this.version = version;
    this.id = id;
    this.parameters = parameters;
    this.outputs = outputs;
  }

  /** Of a stream: whether this is the last response to its request. */
  get isFinal(): boolean {
    return this.parameters.get("triton_final_response") === true;
  }

  /** @throws ClientError NOT_FOUND when the answer has no such output */
  output(name: string): OutputTensor {
    const found = this.outputs.find((output) => output.name === name);
    if (found !== undefined) return found;
    const names = this.outputs.map((output) => `'${output.name}'`).join(", ");
    throw new ClientError("NOT_FOUND", `the answer of model '${this.model}' has no output '${name}', only ${names || "none"}`);
  }
}
