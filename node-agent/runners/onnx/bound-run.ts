/**
 * A model's inputs and outputs bound to memory for one set of shapes: whatever batch has these shapes is copied there, run, and
 * read there.
 */
import type { Dtype } from "../../../core/tensor/dtype.ts";
import { bytesElements, type Shape } from "../../../core/tensor/tensor.ts";
import type { AnnouncedTensor, OutputTensor } from "../../../core/wire/model-wire-batch.ts";
import { Binding } from "../../ort/binding.ts";
import { readOutputs } from "../../ort/output-values.ts";
import type { RunOptions } from "../../ort/run-options.ts";
import type { Session } from "../../ort/session.ts";
import { StringValue } from "../../ort/string-tensor.ts";
import { Value } from "../../ort/value.ts";
import { elementOf } from "./model-ports.ts";

/** An output that is asked for. */
export interface WantedOutput {
  readonly port: number;
  readonly name: string;
  readonly dtype: Dtype;
  /** Where its bytes go, when its shape is known before the run. */
  readonly known: { readonly shape: Shape; readonly memory: Uint8Array } | undefined;
}

export interface BoundInput {
  readonly tensor: AnnouncedTensor;
  /** Empty for strings. */
  readonly memory: Uint8Array;
}

export class BoundRun implements Disposable {
  /** Milliseconds that the last run took; undefined before the first. */
  lastMs: number | undefined;
  readonly #session: Session;
  readonly #held = new DisposableStack();
  readonly #binding: Binding;
  /** By input, in the batch's order. */
  readonly #inputs: readonly { readonly memory: Uint8Array; readonly strings: StringValue | undefined }[];
  readonly #outputs: readonly WantedOutput[];
  /** Places among the outputs of those that the runtime makes. */
  readonly #free: readonly number[];

  /** @throws ServingError INTERNAL with the runtime's text */
  constructor(session: Session, inputs: readonly BoundInput[], outputs: readonly WantedOutput[]) {
    const { runtime } = session;
    this.#session = session;
    this.#outputs = outputs;
    this.#free = outputs.flatMap(({ known }, place) => (known === undefined ? [place] : []));
    this.#binding = this.#held.use(new Binding(session));
    this.#inputs = inputs.map(({ tensor, memory }) => {
      const element = elementOf(tensor.dtype);
      const strings = element === undefined ? this.#held.use(new StringValue(runtime, tensor.shape)) : undefined;
      const value = element === undefined ? strings : this.#held.use(new Value(runtime, element, tensor.shape, memory));
      if (value !== undefined) this.#binding.input(tensor.name, value);
      return { memory, strings };
    });
    for (const { name, dtype, known } of outputs) {
      const element = elementOf(dtype);
      if (known === undefined || element === undefined) this.#binding.freeOutput(name);
      else this.#binding.output(name, this.#held.use(new Value(runtime, element, known.shape, known.memory)));
    }
  }

  /** Where the bytes of a batch's inputs go. */
  rooms(inputs: readonly AnnouncedTensor[]): readonly Uint8Array[] {
    return this.#inputs.map(({ memory, strings }, place) =>
      strings === undefined ? memory : new Uint8Array(inputs[place]?.byteLength ?? 0),
    );
  }

  /**
   * Takes what is in the rooms.
   * @throws ServingError INVALID_ARGUMENT when a tensor of strings has not as many as its shape
   */
  fill(rooms: readonly Uint8Array[]): void {
    for (const [place, { strings }] of this.#inputs.entries()) strings?.fill(bytesElements(rooms[place] ?? new Uint8Array()));
    for (const place of this.#free) this.#binding.freeOutput(this.#outputs[place]?.name ?? "");
  }

  /** @throws ServingError INTERNAL with the runtime's text */
  run(): void {
    this.#binding.run();
  }

  /** @throws ServingError INTERNAL with the runtime's text */
  async runAsync(options: RunOptions): Promise<void> {
    await this.#binding.runAsync(options);
  }

  /** What the last run came to; views of memory that the next run writes to. */
  results(): readonly OutputTensor[] {
    const made = this.#free.length === 0 ? [] : readOutputs(this.#session.runtime, this.#binding, this.#free);
    let next = 0;
    return this.#outputs.map(({ port, name, dtype, known }) => {
      const own = known === undefined ? made[next++] : undefined;
      const shape = known?.shape ?? own?.shape ?? [];
      return { port, head: { name, dtype, shape }, data: known?.memory ?? own?.data ?? new Uint8Array() };
    });
  }

  [Symbol.dispose](): void {
    this.#held.dispose();
  }
}
