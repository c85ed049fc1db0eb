/** A whole model that is open: its session, and a binding for every set of shapes that came lately. */
import { LENT_BYTES_MIN } from "../../../core/bytes/lent-memory.ts";
import { assert } from "../../../core/errors.ts";
import { byteSize } from "../../../core/tensor/tensor.ts";
import type { ModelSignature, OpenModel } from "../../../core/wire/model-runner.ts";
import type { AnnouncedBatch, AnnouncedTensor } from "../../../core/wire/model-wire-batch.ts";
import type { OrtRuntime } from "../../ort/runtime.ts";
import { Session } from "../../ort/session.ts";
import { type GraphSignature, readSignature } from "../../ort/signature.ts";
import type { SharedTensors } from "../shared-tensors.ts";
import { type BoundInput, BoundRun, type WantedOutput } from "./bound-run.ts";
import { modelSignature, namedSizes, outputShape } from "./model-ports.ts";
import { PortMemory } from "./port-memory.ts";

/** Bindings that are kept; a new one costs some ten microseconds for each tensor. */
const BINDINGS_MAX = 128;

export class ModelSession implements Disposable {
  readonly signature: ModelSignature;
  readonly #graph: GraphSignature;
  readonly #session: Session;
  readonly #shared: SharedTensors | undefined;
  readonly #inputMemory: readonly PortMemory[];
  readonly #outputMemory: readonly PortMemory[];
  /** The least recently used first. */
  readonly #bound = new Map<string, BoundRun>();
  /** The most recently used, for whom, and its key. */
  #latest: { readonly batch: AnnouncedBatch; readonly isShared: boolean; readonly key: string; readonly bound: BoundRun } | undefined;
  #foretell = true;

  /** @param shared for large tensors @throws ServingError INTERNAL with the runtime's text, UNIMPLEMENTED when it takes or gives something else than tensors. */
  constructor(runtime: OrtRuntime, model: OpenModel, shared?: SharedTensors) {
    this.#shared = shared;
    this.#session = new Session(runtime, model.file, {
      threads: model.intraThreads,
      ...(model.execution === "parallel" ? { parallel: { threads: model.interThreads } } : {}),
      optimization: model.optimization,
      memoryPattern: model.memoryPattern,
      memoryArena: model.memoryArena,
      config: model.configEntries,
    });
    try {
      this.#graph = readSignature(this.#session);
      this.signature = modelSignature(this.#graph);
    } catch (thrown) {
      this.#session[Symbol.dispose]();
      throw thrown;
    }
    this.#inputMemory = this.signature.inputs.map(() => new PortMemory());
    this.#outputMemory = this.signature.outputs.map(() => new PortMemory());
  }

  /** The binding for a batch's shapes. @param isShared its inputs, which are no strings, are in the memory that is shared */
  bind(batch: AnnouncedBatch, { isShared }: { readonly isShared: boolean }): BoundRun {
    if (this.#latest?.batch === batch && this.#latest.isShared === isShared) return this.#latest.bound;
    const key = keyOf(batch, isShared);
    if (this.#latest?.key === key) return this.#latest.bound;
    const bound = this.#bound.get(key) ?? this.#makeBound(batch, isShared);
    this.#latest = { batch, isShared, key, bound };
    if (this.#bound.delete(key)) {
      this.#bound.set(key, bound); // back to the end: it is the most recently used now
      return bound;
    }
    if (this.#bound.size >= BINDINGS_MAX) {
      const [oldest] = this.#bound;
      oldest?.[1][Symbol.dispose]();
      this.#bound.delete(oldest?.[0] ?? "");
    }
    this.#bound.set(key, bound);
    return bound;
  }

  /** From now on the runtime makes all outputs: what the model says of their shapes is not true. */
  stopForetelling(): void {
    this.#foretell = false;
    this.#unbindAll();
  }

  [Symbol.dispose](): void {
    this.#unbindAll();
    this.#session[Symbol.dispose]();
  }

  #unbindAll(): void {
    for (const bound of this.#bound.values()) bound[Symbol.dispose]();
    this.#bound.clear();
    this.#latest = undefined;
  }

  #makeBound({ inputs, outputs }: AnnouncedBatch, isShared: boolean): BoundRun {
    const shapes = this.#foretell ? this.#foretold(inputs, outputs) : [];
    const bytes = inputs.map(({ dtype, shape }) => byteSize(dtype, shape) ?? 0);
    const outputBytes = outputs.map((port, place) => byteSize(this.#output(port).dtype, shapes[place] ?? [0]));
    const [sharedInputs, sharedOutputs] = [isShared ? this.#shared?.inputs(bytes) : undefined, this.#sharedOutputs(outputBytes)];
    const grew = [
      ...inputs.map(({ port }, place) => sharedInputs === undefined && this.#inputMemory[port]?.fit(bytes[place] ?? 0)),
      ...outputs.map((port, place) => sharedOutputs === undefined && this.#outputMemory[port]?.fit(outputBytes[place] ?? 0)),
    ];
    if (grew.includes(true)) this.#unbindAll(); // they would keep the old memory
    const boundInputs = inputs.map(
      (tensor, place): BoundInput => ({
        tensor,
        memory: sharedInputs?.[place] ?? viewOf(this.#inputMemory[tensor.port], bytes[place] ?? 0),
      }),
    );
    const wanted = outputs.map((port, place): WantedOutput => {
      const { name, dtype } = this.#output(port);
      const [shape, byteLength] = [shapes[place], outputBytes[place]];
      const known =
        shape === undefined || byteLength === undefined
          ? undefined
          : { shape, memory: sharedOutputs?.[place] ?? viewOf(this.#outputMemory[port], byteLength) };
      return { port, name, dtype, known };
    });
    return new BoundRun(this.#session, boundInputs, wanted);
  }

  /** Where large outputs are, when all their lengths are known. */
  #sharedOutputs(byteLengths: readonly (number | undefined)[]): readonly Uint8Array[] | undefined {
    const known = byteLengths.filter((byteLength) => byteLength !== undefined);
    const isLarge = known.reduce((sum, byteLength) => sum + byteLength, 0) >= LENT_BYTES_MIN;
    return isLarge && known.length === byteLengths.length ? this.#shared?.outputs(known) : undefined;
  }

  #foretold(inputs: readonly AnnouncedTensor[], outputs: readonly number[]) {
    const ports = [...this.#graph.inputs, ...this.#graph.initializers];
    const sizes = namedSizes(inputs.map(({ port, shape }) => ({ dims: ports[port]?.dims ?? [], shape })));
    return outputs.map((port) => {
      const graphPort = this.#graph.outputs[port];
      return graphPort === undefined ? undefined : outputShape(graphPort, sizes);
    });
  }

  #output(port: number) {
    const found = this.signature.outputs[port];
    assert(found !== undefined, `the model has an output ${port}`);
    return found;
  }
}

function viewOf(memory: PortMemory | undefined, byteLength: number): Uint8Array {
  assert(memory !== undefined, "every port has memory");
  return memory.view(byteLength);
}

function keyOf({ inputs, outputs }: AnnouncedBatch, isShared: boolean): string {
  let key = `${isShared ? "shared;" : ""}${outputs.join(",")}`;
  for (const { port, shape } of inputs) key += `;${port}:${shape.join(",")}`;
  return key;
}
