/** How a client wants its outputs: as they are, as classes, or in its shared memory. */
import type { Tensor } from "../../core/tensor/tensor.ts";
import { classify } from "../kserve/infer/classification.ts";
import type { RegionLease, SharedMemoryRegions } from "../kserve/shared-memory.ts";
import { internal, invalid, requestPrefix } from "../kserve/triton-error.ts";
import type { ModelView } from "../serving/model-catalog.ts";
import type { WireInferRequest, WireOutput } from "./request-decoder.ts";
import { sharedRange } from "./shared-range.ts";

type OutputWish =
  | { readonly kind: "classes"; readonly classes: number }
  | { readonly kind: "shared"; readonly bytes: number; readonly lease: RegionLease };

/** Wishes of one request. Holds the shared memory that outputs go to until it is disposed, whatever is unregistered meanwhile. */
export class OutputWishes implements Disposable {
  readonly names: readonly string[];
  /** Made when an output is not wanted as it is, and when one goes to shared memory: of most requests neither. */
  #wishes: Map<string, OutputWish> | undefined;
  #leases: DisposableStack | undefined;

  /**
   * @param regions to be called where an output goes to shared memory
   * @throws ServingError INVALID_ARGUMENT with Triton's text; what `regions` throws
   */
  constructor({ id, outputs }: Pick<WireInferRequest, "id" | "outputs">, regions: () => SharedMemoryRegions) {
    this.names = outputs.length === 0 ? NO_NAMES : outputs.map(({ name }) => name);
    if (outputs.length === 0) return;
    const names = new Set<string>();
    try {
      for (const output of outputs) {
        if (names.has(output.name)) throw invalid(`${requestPrefix(id)}output '${output.name}' already exists in request`);
        names.add(output.name);
        if (output.parameters.size > 0) this.#wish(output, regions);
      }
    } catch (thrown) {
      this.#leases?.dispose();
      throw thrown;
    }
  }

  /** The outputs as they are to be sent. @throws ServingError what cannot be had as wished */
  fulfil(outputs: readonly Tensor[], view: ModelView): readonly Tensor[] {
    const wishes = this.#wishes;
    return wishes === undefined ? outputs : outputs.map((output) => fulfilled(output, wishes.get(output.name), view));
  }

  [Symbol.dispose](): void {
    this.#leases?.dispose();
  }

  #wish({ name, parameters }: WireOutput, regions: () => SharedMemoryRegions): void {
    this.#wishes ??= new Map();
    const range = sharedRange(parameters);
    const classification = parameters.get("classification");
    if (range !== undefined) {
      if (classification !== undefined) throw invalid("Output can't set both 'shared_memory_region' and 'classification'");
      this.#leases ??= new DisposableStack();
      this.#wishes.set(name, { kind: "shared", bytes: range.bytes, lease: this.#leases.use(regions().lease(range)) });
    } else if (classification !== undefined) {
      if (classification.kind !== "int64") throw invalid("invalid value type for 'classification' parameter, expected int64_param");
      if (classification.value <= 0n) throw invalid("invalid value for 'classification' parameter, expected >= 0");
      this.#wishes.set(name, { kind: "classes", classes: Number(classification.value) });
    }
  }
}

const NO_NAMES: readonly string[] = [];

function fulfilled(output: Tensor, wish: OutputWish | undefined, view: ModelView): Tensor {
  if (wish === undefined) return output;
  if (wish.kind === "classes") {
    const labels = view.outputs.find(({ name }) => name === output.name)?.labels ?? [];
    return classify(output, { classes: wish.classes, batched: view.maxBatchSize > 0, labels });
  }
  const { byteLength } = output.data;
  if (byteLength > wish.bytes) {
    const size = `shared memory size specified with the request for output '${output.name}' (${wish.bytes} bytes)`;
    throw internal(`${size} should be at least ${byteLength} bytes to hold the results`);
  }
  wish.lease.write(output.data);
  return { ...output, data: new Uint8Array() };
}
