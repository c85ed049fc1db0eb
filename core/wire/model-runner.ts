/**
 * A runner of a whole model as its agent sees it: a process that executes batches. Adapters: `node-agent/runners/model-process.ts`
 * (a process) and `test/support/scripted/scripted-model-runner.ts` (memory).
 */

import type { Memory } from "../bytes/lent-memory.ts";
import type { ServingError } from "../errors.ts";
import type { CallingRequest } from "../messages/calling-request.ts";
import type { ParameterValues } from "../messages/parameter-value.ts";
import type { Dtype } from "../tensor/dtype.ts";
import type { Shape, Tensor, TensorHead } from "../tensor/tensor.ts";
import type { RunnerExit } from "./runner-handle.ts";

/** One of a model's inputs or outputs as the model file itself says it; -1 is a size that varies. */
export interface ModelPort {
  readonly name: string;
  readonly dtype: Dtype;
  readonly shape: Shape;
  /** An initializer that is also an input: may be left out. */
  readonly optional: boolean;
}

export interface ModelSignature {
  readonly inputs: readonly ModelPort[];
  readonly outputs: readonly ModelPort[];
}

export interface OpenModel {
  /** The model's file. */
  readonly file: string;
  /** Threads inside an operator, and between operators; 0: the runtime's choice. */
  readonly intraThreads: number;
  readonly interThreads: number;
  /** ONNX Runtime's graph optimization level: 0, 1, 2 or 99. */
  readonly optimization: 0 | 1 | 2 | 99;
  /** Operators one after another, or those that can side by side. */
  readonly execution: "sequential" | "parallel";
  /** Keep freed memory for the next run. */
  readonly memoryArena: boolean;
  /** Plan memory once for each set of input shapes. */
  readonly memoryPattern: boolean;
  /** Session configuration entries, by ONNX Runtime's names. */
  readonly configEntries: Readonly<Record<string, string>>;
}

/** An input of a batch: the tensors of its requests in order, to be joined along the first dimension, or a single one as it is. */
export interface BatchInput {
  readonly head: TensorHead;
  /** Joined they are the head's bytes. They must not change until the batch is executed. */
  readonly parts: readonly Uint8Array[];
}

/** A row of a batch of sequences as a request by itself. */
export interface BatchRow {
  readonly id: string;
  readonly parameters: ParameterValues;
  readonly timeoutUs: number;
  /** With controls and states. */
  readonly inputs: readonly Tensor[];
  readonly outputs: readonly string[];
  /** Itself as the caller of other models; undefined: it is nobody's. */
  readonly from: CallingRequest | undefined;
}

export interface Batch {
  readonly inputs: readonly BatchInput[];
  /** In the order in which they are wanted, at least one. */
  readonly outputs: readonly string[];
  /** The same once more, of sequences, for runners that execute row by row. */
  readonly rows?: readonly BatchRow[];
}

export interface BatchResult {
  readonly outputs: readonly Tensor[];
  readonly inputUs: number;
  readonly inferUs: number;
  readonly outputUs: number;
  /** Of those executed row by row: rows that failed, by their place. What the outputs have there means nothing. */
  readonly failed?: ReadonlyMap<number, ServingError>;
  /** Of the outputs, where it is used again. */
  readonly memory?: Memory | undefined;
}

export interface ModelRunnerHandle {
  readonly incarnation: string;
  readonly pid: number | undefined;
  /** @throws ServingError with the runtime's message when the model cannot be opened, UNAVAILABLE when the runner dies on it. */
  open(model: OpenModel, signal: AbortSignal): Promise<ModelSignature>;
  /**
   * One batch at a time: it settles when the runner is free again. An abort terminates a run that is under way, between two
   * operators.
   * @throws ServingError with the runtime's message; INVALID_ARGUMENT when the batch does not fit the signature; UNAVAILABLE with
   * reason `runner_died` when the runner is ended, `runner_crashed` when it ends of itself; CANCELLED after an abort; FAILED_PRECONDITION before it is open or while it executes.
   */
  execute(batch: Batch, signal: AbortSignal): Promise<BatchResult>;
  readonly exited: Promise<RunnerExit>;
  close(): Promise<void>;
  kill(): void;
}

export interface ModelRunnerFactory {
  start(): ModelRunnerHandle;
}
