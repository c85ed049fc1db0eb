/**
 * One shard's graph with its KV cache. A run works in place on a contiguous range of slots, or on one slot seen many times: past and
 * present are the same memory. Everything a run touches is bound once per shape.
 */
import path from "node:path";
import { assert } from "../../../core/errors.ts";
import type { ShardDescription } from "../../../core/model/shard-description.ts";
import type { ShardTraits } from "../../../core/wire/runner-handle.ts";
import type { DecodeRun, PrefillRun, ReplayRun } from "../../../core/wire/step.ts";
import { PREFILL_TOKENS_MAX } from "../../../core/wire/step-check.ts";
import { Binding } from "../../ort/binding.ts";
import { NativeMemory } from "../../ort/native-memory.ts";
import type { OrtRuntime } from "../../ort/runtime.ts";
import { Session } from "../../ort/session.ts";
import { type ElementType, Value } from "../../ort/value.ts";
import { type CacheRows, KvCache } from "./kv-cache.ts";

export interface ShardSessionOptions {
  readonly folder: string;
  readonly description: ShardDescription;
  readonly slots: number;
  readonly contextLength: number;
  readonly threads: number;
}

/** What a run leaves behind, valid until the next one: views of the arrays that the graph writes to. */
export interface RunOutput {
  /** f32 [B·S, hiddenSize], residual and what is still to be added to it; empty on the last stage. */
  readonly hidden: Float32Array;
  readonly addend: Float32Array;
  /** f32 [R, vocabSize], one row for each wanted one, in their order; empty on all but the last stage. */
  readonly logits: Float32Array;
}

/** Where its B rows are, S and R of a run. */
interface RunShape {
  readonly where: CacheRows;
  readonly tokens: number;
  readonly wanted: number;
}

/** A binding with the arrays that a run fills. */
interface BoundRun extends Disposable {
  readonly binding: Binding;
  /** int64 [B, S] as pairs of int32, low half first: ids are small, and BigInts slow. */
  readonly ids: Int32Array;
  /** int32 [B] */
  readonly seqlensK: Int32Array;
  /** int32 */
  readonly totalLength: Int32Array;
  /** int64 [R] */
  readonly rows: BigInt64Array;
  readonly output: RunOutput;
}

/** Bindings that are kept; a new one costs some hundred microseconds, much less than a prefill. */
const BINDINGS_MAX = 512;
const FLOAT_BYTES = Float32Array.BYTES_PER_ELEMENT;
const NO_ROWS: readonly number[] = [];

export class ShardSession implements Disposable {
  readonly description: ShardDescription;
  readonly slots: number;
  readonly contextLength: number;
  /** Until something is known: decode runs of any number of rows, replays one row after another. The head has as many rows at least. */
  traits: ShardTraits = { decodeRowsMin: 1, replaysAtOnce: false };
  readonly cache: KvCache;
  readonly #runtime: OrtRuntime;
  readonly #resources = new DisposableStack();
  readonly #session: Session;
  /** The least recently used first. */
  readonly #bound = new Map<string, BoundRun>();
  /** Residual and addend that came from the stage before; f32 [rows, hiddenSize]. */
  readonly hiddenIn: Float32Array;
  readonly addendIn: Float32Array;
  readonly #hiddenOut: Float32Array;
  readonly #addendOut: Float32Array;
  readonly #logits: Float32Array;

  /** @throws ServingError INTERNAL with the runtime's text, RESOURCE_EXHAUSTED when there is no room for the cache. */
  constructor(runtime: OrtRuntime, options: ShardSessionOptions) {
    const { description, slots, contextLength } = options;
    this.description = description;
    this.slots = slots;
    this.#runtime = runtime;
    this.contextLength = contextLength;
    const file = path.join(options.folder, "model.onnx");
    this.#session = this.#resources.use(new Session(runtime, file, { threads: options.threads }));
    this.cache = this.#resources.use(new KvCache(description, slots, contextLength));
    const rows = Math.max(slots, PREFILL_TOKENS_MAX);
    const activations = () => this.#floats(rows * description.hiddenSize);
    const none = new Float32Array();
    this.hiddenIn = this.first ? none : activations();
    this.addendIn = this.first ? none : activations();
    this.#hiddenOut = this.last ? none : activations();
    this.#addendOut = this.last ? none : activations();
    this.#logits = this.last ? this.#floats(slots * description.vocabSize) : none;
  }

  get first(): boolean {
    return this.description.stage === 0;
  }

  get last(): boolean {
    return this.description.stage === this.description.stages - 1;
  }

  /**
   * Runs tokens of one prompt. Later stages take their input from `hiddenIn` and `addendIn`.
   * @param rows indexes into `run.tokens` whose logits the last stage gives, in any order, at most `slots`; the sampled one unless said
   */
  prefill(run: PrefillRun, rows: readonly number[] = run.sample === undefined ? NO_ROWS : [run.sample.row]): RunOutput {
    const tokens = run.tokens.length;
    const wanted = this.last ? rows.length : 0;
    assert(wanted <= this.slots, `the logits of ${wanted} rows are wanted, there is room for those of ${this.slots}`);
    const bound = this.#bind({ where: { kind: "slots", first: run.slot, count: 1 }, tokens, wanted });
    for (let index = 0; index < tokens; index++) bound.ids[2 * index] = run.tokens[index] ?? 0;
    bound.seqlensK[0] = run.past + tokens - 1;
    bound.totalLength[0] = run.past + tokens;
    for (let index = 0; index < wanted; index++) bound.rows[index] = BigInt(rows[index] ?? 0);
    bound.binding.run();
    return bound.output;
  }

  /** Runs one token for each of a range of slots. Later stages take their input from `hiddenIn` and `addendIn`. */
  decode(run: DecodeRun): RunOutput {
    const count = run.rows.length;
    const sampled = this.last ? run.rows.reduce((sum, row) => sum + (row.position === undefined ? 0 : 1), 0) : 0;
    const wanted = sampled === 0 ? 0 : Math.max(sampled, this.traits.decodeRowsMin);
    const bound = this.#bind({ where: { kind: "slots", first: run.firstSlot, count }, tokens: 1, wanted });
    let longest = 0;
    let want = 0;
    for (let index = 0; index < count; index++) {
      const row = run.rows[index];
      if (row === undefined) continue;
      bound.ids[2 * index] = row.token;
      bound.seqlensK[index] = row.past;
      longest = Math.max(longest, row.past);
      if (row.position === undefined) continue;
      this.cache.hide(run.firstSlot + index); // its replay is over
      if (this.last) bound.rows[want++] = BigInt(index);
    }
    for (; want < wanted; want++) bound.rows[want] = bound.rows[0] ?? 0n; // a row again, for its company
    bound.totalLength[0] = longest + 1;
    bound.binding.run();
    return bound.output;
  }

  /**
   * Runs known tokens of one sequence as so many decode rows; whoever calls has the slot shown in the cache's window. Later stages
   * take their input from `hiddenIn` and `addendIn`.
   */
  replay(run: ReplayRun): RunOutput {
    const count = run.tokens.length;
    const bound = this.#bind({ where: { kind: "window", count }, tokens: 1, wanted: 0 });
    for (let index = 0; index < count; index++) {
      bound.ids[2 * index] = run.tokens[index] ?? 0;
      bound.seqlensK[index] = run.past + index;
    }
    bound.totalLength[0] = run.past + count;
    bound.binding.run();
    return bound.output;
  }

  /** Makes the bindings of decode runs over slots [0, n) before anyone waits for them. */
  prepare(): void {
    for (let count = 1; count <= this.slots; count++)
      this.#bind({ where: { kind: "slots", first: 0, count }, tokens: 1, wanted: this.last ? count : 0 });
  }

  [Symbol.dispose](): void {
    for (const bound of this.#bound.values()) bound[Symbol.dispose]();
    this.#bound.clear();
    this.#resources.dispose();
  }

  #floats(count: number): Float32Array {
    return new Float32Array(this.#resources.use(NativeMemory.allocate(count * FLOAT_BYTES)).buffer);
  }

  #bind(shape: RunShape): BoundRun {
    const { where, tokens, wanted } = shape;
    const key = `${where.kind === "slots" ? where.first : "window"},${where.count},${tokens},${wanted}`;
    const known = this.#bound.get(key);
    if (known !== undefined) {
      this.#bound.delete(key); // and back to the end: it is the most recently used now
      this.#bound.set(key, known);
      return known;
    }
    if (this.#bound.size >= BINDINGS_MAX) {
      const [oldest] = this.#bound;
      oldest?.[1][Symbol.dispose]();
      this.#bound.delete(oldest?.[0] ?? "");
    }
    const bound = this.#makeBound(shape);
    this.#bound.set(key, bound);
    return bound;
  }

  #makeBound({ where, tokens, wanted }: RunShape): BoundRun {
    const { count } = where;
    const { kvHeads, headSize, hiddenSize, vocabSize } = this.description;
    const held = new DisposableStack();
    const value = <A extends NodeJS.TypedArray>(type: ElementType, dims: readonly number[], data: A) =>
      held.use(new Value(this.#runtime, type, dims, data));
    const ids = new BigInt64Array(count * tokens);
    const seqlensK = new Int32Array(count);
    const totalLength = new Int32Array(1);
    const rows = new BigInt64Array(wanted);
    const rowFloats = count * tokens * hiddenSize;
    const activations = [count, tokens, hiddenSize];
    const output: RunOutput = {
      hidden: this.#hiddenOut.subarray(0, rowFloats),
      addend: this.#addendOut.subarray(0, rowFloats),
      logits: this.#logits.subarray(0, wanted * vocabSize),
    };
    const binding = held.use(new Binding(this.#session));
    for (const [tensor, name] of this.cache.names.entries()) {
      const cache = value("f32", [count, kvHeads, this.cache.positions, headSize], this.cache.rows(tensor, where));
      binding.input(`past_${name}`, cache).output(`present_${name}`, cache);
    }
    binding.input("seqlens_k", value("i32", [count], seqlensK)).input("total_len", value("i32", [], totalLength));
    if (this.first) binding.input("input_ids", value("i64", [count, tokens], ids));
    else {
      binding.input("hidden", value("f32", activations, this.hiddenIn.subarray(0, rowFloats)));
      binding.input("addend", value("f32", activations, this.addendIn.subarray(0, rowFloats)));
    }
    if (this.last) {
      binding.input("rows", value("i64", [wanted], rows));
      binding.output("logits", value("f32", [wanted, vocabSize], output.logits));
    } else {
      binding.output("hidden_out", value("f32", activations, output.hidden));
      binding.output("addend_out", value("f32", activations, output.addend));
    }
    return { binding, ids: new Int32Array(ids.buffer), seqlensK, totalLength, rows, output, [Symbol.dispose]: () => held.dispose() };
  }
}
