/** How large a request is, and with which others it may share a batch. Pure. */
import { ServingError } from "../../../core/errors.ts";
import type { InferSubmit } from "../../../core/messages/infer.ts";
import type { BatchPlan } from "./batch-plan.ts";

export class RequestForms {
  readonly #model: string;
  readonly #maxBatchSize: number;
  /** All requests have the same form: no input varies, and none is optional. */
  readonly #uniform: boolean;
  readonly #ragged: ReadonlySet<string>;

  constructor(model: string, { inputs, maxBatchSize }: Pick<BatchPlan, "inputs" | "maxBatchSize">) {
    this.#model = model;
    this.#maxBatchSize = maxBatchSize;
    this.#ragged = new Set(inputs.filter(({ ragged }) => ragged).map(({ name }) => name));
    this.#uniform = inputs.every(({ optional, ragged, dims }) => !optional && (ragged || !dims.includes(-1)));
  }

  /**
   * Elements along the batch dimension; 1 for a model without one. May be 0.
   * @throws ServingError INVALID_ARGUMENT when it is too large, or inputs do not agree: the last line of defense
   */
  rows({ id, inputs }: InferSubmit): number {
    if (this.#maxBatchSize === 0) return 1;
    let size: number | undefined;
    for (const { name, shape } of inputs) {
      const own = shape[0];
      if (own === undefined) this.#refuse(id, `input '${name}' has no batch dimension`);
      if (own !== (size ?? own)) this.#refuse(id, `input '${name}' batch size does not match other inputs for '${this.#model}'`);
      size = own;
    }
    if ((size ?? 1) > this.#maxBatchSize)
      this.#refuse(id, `inference request batch-size must be <= ${this.#maxBatchSize} for '${this.#model}'`);
    return size ?? 1;
  }

  form({ inputs }: InferSubmit): string {
    if (this.#uniform) return "";
    let form = "";
    for (const { name, shape } of inputs) {
      form += name;
      if (this.#ragged.has(name)) form += "~";
      else for (let axis = 1; axis < shape.length; axis++) form += `,${shape[axis]}`;
      form += ";";
    }
    return form;
  }

  #refuse(id: string, text: string): never {
    throw new ServingError("INVALID_ARGUMENT", `[request id: ${id === "" ? "<id_unknown>" : id}] ${text}`);
  }
}
