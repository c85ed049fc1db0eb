/** What the model gets for each row of a sequence batch: the request's tensors, the controls, and the sequence's state. Pure. */
import { Buffer } from "node:buffer";
import { assert } from "../../../core/errors.ts";
import type { InferSubmit } from "../../../core/messages/infer.ts";
import type { SequenceControl } from "../../../core/model/config/configuration.ts";
import { joinBytesElements, type Tensor } from "../../../core/tensor/tensor.ts";
import type { BatchMember } from "../batch/split.ts";
import type { SequencePlan } from "./sequence-plan.ts";

export interface RowState {
  /** undefined: a row without a request. */
  readonly id: string | bigint | undefined;
  readonly start: boolean;
  readonly end: boolean;
  readonly states: readonly Tensor[];
}

type ControlTensor = (row: RowState) => Tensor;

export class RowTensors {
  readonly #outputs: readonly string[];
  readonly #stateOutputs: readonly string[];
  readonly #allOutputs: readonly string[];
  readonly #controls: readonly ControlTensor[];

  constructor({ batch: { maxBatchSize }, outputs, controls, states }: SequencePlan) {
    const shape = maxBatchSize > 0 ? [1, 1] : [1];
    this.#outputs = outputs;
    this.#stateOutputs = states.map(({ outputName }) => outputName);
    this.#allOutputs = this.#with(outputs);
    this.#controls = controls.map((control) => controlTensor(control, shape));
  }

  /** @param submit its own request, or for a row without one any other of the batch: the shapes must fit */
  row({ inputs, outputs }: Pick<InferSubmit, "inputs" | "outputs">, row: RowState): BatchMember {
    return {
      submit: {
        inputs: [...inputs, ...this.#controls.map((control) => control(row)), ...row.states],
        outputs: outputs.length === 0 ? this.#allOutputs : this.#with(outputs),
      },
      rows: 1,
    };
  }

  /** How many of a row's results are the client's; its states are found by name. */
  visible({ outputs }: Pick<InferSubmit, "outputs">): number {
    return outputs.length === 0 ? this.#outputs.length : outputs.length;
  }

  #with(outputs: readonly string[]): readonly string[] {
    return [...outputs, ...this.#stateOutputs.filter((name) => !outputs.includes(name))];
  }
}

function controlTensor(control: SequenceControl, shape: readonly number[]): ControlTensor {
  const { name, dtype } = control;
  if (control.kind === "corrid") {
    const none = { name, dtype, shape, data: corridBytes(control.dtype, dtype === "BYTES" ? "" : 0n) };
    return ({ id }) => (id === undefined ? none : { name, dtype, shape, data: corridBytes(control.dtype, id) });
  }
  const [no, yes] = [control.falseValue, control.trueValue].map((value) => ({ name, dtype, shape, data: flagBytes(control.dtype, value) }));
  assert(no !== undefined && yes !== undefined, "two values make two tensors");
  const { kind } = control;
  if (kind === "ready") return ({ id }) => (id === undefined ? no : yes);
  return (row) => (row[kind] ? yes : no);
}

/** Narrow types get the low bits. */
function corridBytes(dtype: Extract<SequenceControl, { readonly kind: "corrid" }>["dtype"], id: string | bigint): Uint8Array {
  if (dtype === "BYTES") return joinBytesElements([Buffer.from(String(id))]);
  const bits = BigUint64Array.of(BigInt.asUintN(64, BigInt(id)));
  return new Uint8Array(bits.buffer, 0, dtype === "UINT32" || dtype === "INT32" ? 4 : 8);
}

function flagBytes(dtype: "INT32" | "FP32" | "BOOL", value: number): Uint8Array {
  if (dtype === "BOOL") return Uint8Array.of(value);
  return new Uint8Array((dtype === "INT32" ? Int32Array.of(value) : Float32Array.of(value)).buffer);
}
