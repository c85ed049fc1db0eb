/**
 * Keys and values of a shard's layers. Each is a tensor [slots, kvHeads, positions, headSize], one behind the other in one memory;
 * `positions` is the context length, or a little more where slots would not end with a page.
 *
 * Where the system can map memory twice there is also a window: tensors of the same shape whose rows are all one slot. Decode rows
 * over it are so many consecutive tokens of one sequence: each writes its own position and reads those before it, which earlier
 * rows of the same run have written.
 */
import type { ShardDescription } from "../../../core/model/shard-description.ts";
import type { SlotCopy } from "../../../core/wire/step.ts";
import { REPLAY_TOKENS_MAX } from "../../../core/wire/step-check.ts";
import { MemoryWindow } from "../../ort/memory-window.ts";
import { NativeMemory, PAGE_BYTES } from "../../ort/native-memory.ts";

const FLOAT_BYTES = Float32Array.BYTES_PER_ELEMENT;
/** The system allows a process some 65,000 mappings. */
const MAPPINGS_MAX = 32_000;

/** Where a run finds its rows: a range of slots, or the window's first rows. */
export type CacheRows =
  | { readonly kind: "slots"; readonly first: number; readonly count: number }
  | { readonly kind: "window"; readonly count: number };

export class KvCache implements Disposable {
  /** Such as `k_3`: those of layer 3. */
  readonly names: readonly string[];
  /** Of each slot. */
  readonly positions: number;
  readonly #description: ShardDescription;
  readonly #slots: number;
  readonly #slotFloats: number;
  readonly #resources = new DisposableStack();
  readonly #memory: NativeMemory;
  readonly #window: MemoryWindow | undefined;
  readonly #windowRows: number;
  /** What the window shows, in how many rows. */
  #shown: { readonly slot: number; rows: number } | undefined;

  /** @throws ServingError RESOURCE_EXHAUSTED when there is no room. */
  constructor(description: ShardDescription, slots: number, contextLength: number) {
    const { firstLayer, endLayer, kvHeads, headSize } = description;
    const layers = Array.from({ length: endLayer - firstLayer }, (_, index) => firstLayer + index);
    this.names = layers.flatMap((layer) => [`k_${layer}`, `v_${layer}`]);
    this.#description = description;
    this.#slots = slots;
    this.positions = wholePages(contextLength, kvHeads * headSize * FLOAT_BYTES);
    this.#slotFloats = kvHeads * this.positions * headSize;
    this.#windowRows = Math.min(REPLAY_TOKENS_MAX, Math.floor(MAPPINGS_MAX / this.names.length));
    const slotBytes = this.#slotFloats * FLOAT_BYTES;
    this.#memory = this.#resources.use(NativeMemory.allocateShowable(this.names.length * slots * slotBytes));
    this.#window = MemoryWindow.open(this.#memory, this.names.length * this.#windowRows * slotBytes);
    if (this.#window !== undefined) this.#resources.use(this.#window);
  }

  /** f32 [count, kvHeads, positions, headSize] of one tensor. */
  rows(tensor: number, where: CacheRows): Float32Array {
    const [buffer, rows, first] =
      where.kind === "slots" ? [this.#memory.buffer, this.#slots, where.first] : [this.#windowBuffer(), this.#windowRows, 0];
    const begin = (tensor * rows + first) * this.#slotFloats;
    return new Float32Array(buffer, begin * FLOAT_BYTES, where.count * this.#slotFloats);
  }

  /** The window's first `rows` rows are this slot. @returns false when that cannot be: there is no window, or it is too small */
  show(slot: number, rows: number): boolean {
    if (this.#window === undefined || rows > this.#windowRows) return false;
    if (this.#shown?.slot !== slot) this.hide();
    this.#shown ??= { slot, rows: 0 };
    const byteLength = this.#slotFloats * FLOAT_BYTES;
    for (; this.#shown.rows < rows; this.#shown.rows++)
      for (let tensor = 0; tensor < this.names.length; tensor++) {
        const at = (tensor * this.#windowRows + this.#shown.rows) * byteLength;
        if (!this.#window.show(at, { byteOffset: this.#slotOffset(tensor, slot), byteLength })) return false;
      }
    return true;
  }

  /** Nothing is in the window any more. @param slot only if it is that */
  hide(slot = this.#shown?.slot): void {
    if (this.#shown === undefined || this.#shown.slot !== slot) return;
    this.#shown = undefined;
    this.#window?.clear();
  }

  /** The slot's memory goes back to the system. */
  release(slot: number): void {
    this.hide(slot);
    for (let tensor = 0; tensor < this.names.length; tensor++)
      this.#memory.discard(this.#slotOffset(tensor, slot), this.#slotFloats * FLOAT_BYTES);
  }

  releaseAll(): void {
    this.hide();
    this.#memory.discard(0, this.#memory.buffer.byteLength);
  }

  /** The used part only: `tokens` positions of every head. */
  copy({ from, to, tokens }: SlotCopy): void {
    const { kvHeads, headSize } = this.#description;
    const headFloats = this.positions * headSize;
    for (let tensor = 0; tensor < this.names.length; tensor++) {
      const floats = this.rows(tensor, { kind: "slots", first: 0, count: this.#slots });
      for (let head = 0; head < kvHeads; head++) {
        const source = from * this.#slotFloats + head * headFloats;
        floats.copyWithin(to * this.#slotFloats + head * headFloats, source, source + tokens * headSize);
      }
    }
  }

  [Symbol.dispose](): void {
    this.#resources.dispose();
  }

  #slotOffset(tensor: number, slot: number): number {
    return (tensor * this.#slots + slot) * this.#slotFloats * FLOAT_BYTES;
  }

  #windowBuffer(): ArrayBuffer {
    return this.#window?.buffer ?? new ArrayBuffer(0);
  }
}

/** The fewest positions, at least `positions`, that fill whole pages. */
function wholePages(positions: number, bytesEach: number): number {
  let least = 1; // of which every multiple does: a power of two, as the page size is
  while ((least * bytesEach) % PAGE_BYTES !== 0) least *= 2;
  return Math.ceil(positions / least) * least;
}
