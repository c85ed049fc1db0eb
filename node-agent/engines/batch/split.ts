/** A batch's outputs become answers: each request gets its rows of the outputs that it asked for, as views. Pure. */
import { assert, ServingError } from "../../../core/errors.ts";
import type { InferSubmit } from "../../../core/messages/infer.ts";
import { DTYPES } from "../../../core/tensor/dtype.ts";
import { elementCount, type Shape, type Tensor } from "../../../core/tensor/tensor.ts";
import type { BatchPlan, PlannedOutput } from "./batch-plan.ts";
import { reshaped } from "./reshape.ts";

/** A request of a batch, and how many rows it brought. */
export interface BatchMember {
  readonly submit: Pick<InferSubmit, "inputs" | "outputs">;
  readonly rows: number;
}

export class ResultSplitter {
  readonly #plan: BatchPlan;
  readonly #outputs: ReadonlyMap<string, PlannedOutput>;
  readonly #allNames: readonly string[];

  constructor(plan: BatchPlan) {
    this.#plan = plan;
    this.#allNames = plan.outputs.map(({ name }) => name);
    this.#outputs = new Map(plan.outputs.map((output) => [output.name, output]));
  }

  /**
   * @returns by request, its outputs in the order in which it named them
   * @throws ServingError INTERNAL when an output does not have the batch's rows
   */
  split(outputs: readonly Tensor[], members: readonly BatchMember[]): readonly (readonly Tensor[])[] {
    const parts = new Map(outputs.map((output) => [output.name, this.#cut(output, members)]));
    return members.map(({ submit }, place) => {
      const names = submit.outputs.length === 0 ? this.#allNames : submit.outputs;
      return names.map((name) => {
        const part = parts.get(name)?.[place];
        assert(part !== undefined, `the runner gave output '${name}'`);
        return part;
      });
    });
  }

  #cut(output: Tensor, members: readonly BatchMember[]): readonly Tensor[] {
    const planned = this.#outputs.get(output.name);
    if (this.#plan.maxBatchSize === 0) return [this.#visible(output, planned)];
    if (planned?.shapedLike !== undefined) return cutLike(output, planned.shapedLike, members);
    const rows = members.reduce((sum, member) => sum + member.rows, 0);
    if (output.shape[0] !== rows)
      throw new ServingError(
        "INTERNAL",
        `failed to split the output tensor '${output.name}' in responses: expected batch size of ${rows} in model output, got ${output.shape[0] ?? "no batch dimension"}`,
      );
    if (members.length === 1) return [this.#visible(output, planned)];
    const { name, dtype } = output;
    const shape = output.shape.slice(1);
    const counts = members.map((member) => member.rows);
    const row = elementCount(shape);
    return cutElements(
      output,
      counts.map((count) => count * row),
    ).map((data, place) => this.#visible({ name, dtype, shape: [counts[place] ?? 0, ...shape], data }, planned));
  }

  /** As clients see it. */
  #visible(tensor: Tensor, planned: PlannedOutput | undefined): Tensor {
    if (planned?.reshape === undefined) return tensor;
    const batchDimensions = this.#plan.maxBatchSize > 0 ? 1 : 0;
    return { ...tensor, shape: reshaped(tensor.shape, { from: planned.reshape, to: planned.dims, batchDimensions }) };
  }
}

/** An output that is flat over the batch: each request's part has the shape of one of its inputs. */
function cutLike(output: Tensor, source: string, members: readonly BatchMember[]): readonly Tensor[] {
  const shapes = members.map(({ submit }): Shape => submit.inputs.find(({ name }) => name === source)?.shape ?? [0]);
  const counts = shapes.map(elementCount);
  const [wanted, got] = [counts.reduce((sum, count) => sum + count, 0), elementCount(output.shape)];
  if (wanted !== got) {
    const message = `failed to split the output tensor '${output.name}' in responses: input '${source}' has ${wanted} elements, the output ${got}`;
    throw new ServingError("INTERNAL", message);
  }
  return cutElements(output, counts).map((data, place) => ({ ...output, shape: shapes[place] ?? [], data }));
}

/** Views of so many elements each, one after the other. */
function cutElements({ dtype, data }: Tensor, counts: readonly number[]): readonly Uint8Array[] {
  const { bytes } = DTYPES[dtype];
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  let offset = 0;
  return counts.map((count) => {
    const begin = offset;
    if (bytes > 0) offset += count * bytes;
    else for (let element = 0; element < count; element++) offset += 4 + view.getUint32(offset, true);
    return data.subarray(begin, offset);
  });
}
