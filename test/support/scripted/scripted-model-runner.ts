/**
 * Runners of whole models in memory, for simulations and tests. Batches pass as encoded bytes and are answered on a later turn of
 * the clock; each output is the input at its place, joined over the batch's requests, unless a script says otherwise. On command
 * a runner fails, stalls, or dies.
 */
import { Buffer } from "node:buffer";
import type { Clock } from "../../../core/clock.ts";
import { assert, ServingError } from "../../../core/errors.ts";
import type { Tensor } from "../../../core/tensor/tensor.ts";
import type {
  Batch,
  BatchResult,
  ModelRunnerFactory,
  ModelRunnerHandle,
  ModelSignature,
  OpenModel,
} from "../../../core/wire/model-runner.ts";
import { type AnnouncedTensor, BatchCodec, decodeBatch, encodeResult } from "../../../core/wire/model-wire-batch.ts";
import { deathReason } from "../../../core/wire/runner-death.ts";
import type { RunnerExit } from "../../../core/wire/runner-handle.ts";

export interface ScriptedModelOptions {
  readonly clock: Clock;
  readonly signature: ModelSignature;
  /** The outputs of a batch, by the signature's order; the inputs as they are unless said. */
  readonly compute?: (inputs: readonly Tensor[]) => readonly Tensor[];
  /** Milliseconds that a batch takes; none unless said. */
  readonly runMs?: (inputs: readonly Tensor[], runner: ScriptedModelRunner) => number;
  /** Milliseconds that opening takes; none unless said. */
  readonly openMs?: number;
}

/** The runners of one simulated node. */
export class ScriptedModelRunners implements ModelRunnerFactory {
  /** All that were ever started, dead ones too, in order. */
  readonly runners: ScriptedModelRunner[] = [];
  /** Shapes of the first inputs of all batches that were begun, in order. */
  readonly batches: (readonly number[])[] = [];
  /** What the next opening throws. */
  openFailures: ServingError[] = [];
  readonly #options: ScriptedModelOptions;

  constructor(options: ScriptedModelOptions) {
    this.#options = options;
  }

  /** Those that have neither ended nor been killed. */
  get alive(): readonly ScriptedModelRunner[] {
    return this.runners.filter((runner) => runner.alive);
  }

  start(): ScriptedModelRunner {
    const runner = new ScriptedModelRunner(this, this.#options, this.runners.length);
    this.runners.push(runner);
    return runner;
  }
}

type Asked = { readonly cancel: (why: ServingError) => void } | undefined;

export class ScriptedModelRunner implements ModelRunnerHandle {
  readonly number: number;
  readonly incarnation: string;
  readonly pid = undefined;
  readonly exited: Promise<RunnerExit>;
  readonly #all: ScriptedModelRunners;
  readonly #options: ScriptedModelOptions;
  readonly #exit: (exit: RunnerExit) => void;
  #codec: BatchCodec | undefined;
  #model: OpenModel | undefined;
  #asked: Asked;
  #gone: ServingError | undefined;
  #failure: ServingError | undefined;
  #stallMs = 0;

  constructor(all: ScriptedModelRunners, options: ScriptedModelOptions, number: number) {
    this.#all = all;
    this.#options = options;
    this.number = number;
    this.incarnation = `scripted-model-${number}`;
    const { promise, resolve } = Promise.withResolvers<RunnerExit>();
    this.exited = promise;
    this.#exit = resolve;
  }

  /** What it was told to open. */
  get model(): OpenModel | undefined {
    return this.#model;
  }

  get alive(): boolean {
    return this.#gone === undefined;
  }

  get busy(): boolean {
    return this.#asked !== undefined;
  }

  /** The next batch fails with this. */
  failNext(error: ServingError): void {
    this.#failure = error;
  }

  /** The next batch takes so much longer. */
  stall(delayMs: number): void {
    this.#stallMs = delayMs;
  }

  async open(model: OpenModel, signal: AbortSignal): Promise<ModelSignature> {
    const onAbort = () => this.kill();
    const signature = await this.#ask(signal, { delayMs: this.#options.openMs ?? 0, onAbort, reason: () => signal.reason }, () => {
      const failure = this.#all.openFailures.shift();
      if (failure !== undefined) throw failure;
      if (this.#model !== undefined) throw new ServingError("FAILED_PRECONDITION", "this runner holds a model already");
      return this.#options.signature;
    });
    this.#model = model;
    this.#codec = new BatchCodec(signature);
    return signature;
  }

  async execute(batch: Batch, signal: AbortSignal): Promise<BatchResult> {
    const canceled = new ServingError("CANCELLED", "the batch was canceled");
    if (signal.aborted) throw canceled;
    this.#checkFree();
    const codec = this.#codec;
    if (codec === undefined) throw new ServingError("FAILED_PRECONDITION", "a runner executes after it has opened its model");
    const { head, parts } = codec.encodeBatch(batch);
    const announced = decodeBatch(head, this.#options.signature);
    const inputs = received(announced.inputs, Buffer.concat(parts));
    const failure = this.#failure;
    this.#failure = undefined;
    const runMs = (this.#options.runMs?.(inputs, this) ?? 0) + this.#stallMs;
    this.#stallMs = 0;
    this.#all.batches.push(inputs[0]?.shape ?? []);
    return this.#ask(signal, { delayMs: runMs, onAbort: () => {}, reason: () => canceled }, () => {
      if (failure !== undefined) throw failure;
      const made = this.#options.compute?.(inputs) ?? inputs;
      const outputs = announced.outputs.map((port) => {
        const [tensor, at] = [made[port], this.#options.signature.outputs[port]];
        assert(tensor !== undefined && at !== undefined, `the script makes output ${port}`);
        return { port, head: { name: at.name, dtype: tensor.dtype, shape: tensor.shape }, data: tensor.data };
      });
      const result = encodeResult(outputs, { inputUs: 0, inferUs: runMs * 1000, outputUs: 0 });
      return codec.decodeResult(result.head, result.parts);
    });
  }

  async close(): Promise<void> {
    this.#end({ code: 0, signal: undefined, lastWords: "" });
    await this.exited;
  }

  kill(): void {
    this.#end({ code: undefined, signal: "SIGKILL", lastWords: "" });
  }

  /** As a native abort ends it. */
  crash(): void {
    this.#end({ code: undefined, signal: "SIGABRT", lastWords: "" });
  }

  /** Does `act` after a while, unless the runner dies or the signal aborts first. */
  #ask<Answer>(
    signal: AbortSignal,
    how: { readonly delayMs: number; readonly onAbort: () => void; readonly reason: () => unknown },
    act: () => Answer,
  ): Promise<Answer> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason);
      this.#checkFree();
      const settle = (answer: () => void) => {
        signal.removeEventListener("abort", onAbort);
        takeBack();
        this.#asked = undefined;
        answer();
      };
      const onAbort = () => {
        settle(() => reject(how.reason()));
        how.onAbort();
      };
      this.#asked = { cancel: (why) => settle(() => reject(why)) };
      signal.addEventListener("abort", onAbort, { once: true });
      const takeBack = this.#options.clock.after(how.delayMs, () =>
        settle(() => {
          try {
            resolve(act());
          } catch (thrown) {
            reject(thrown);
          }
        }),
      );
    });
  }

  #checkFree(): void {
    if (this.#gone !== undefined) throw this.#gone;
    if (this.#asked !== undefined) throw new ServingError("FAILED_PRECONDITION", "a runner does one thing at a time");
  }

  #end(exit: RunnerExit): void {
    if (this.#gone !== undefined) return;
    const how = exit.signal === undefined ? `ended with code ${exit.code}` : `was ended by ${exit.signal}`;
    this.#gone = new ServingError("UNAVAILABLE", `the runner ${how}`, { reason: deathReason(exit) });
    this.#asked?.cancel(this.#gone);
    this.#options.clock.after(0, () => this.#exit(exit));
  }
}

function received(inputs: readonly AnnouncedTensor[], payload: Uint8Array): readonly Tensor[] {
  let at = 0;
  return inputs.map(({ name, dtype, shape, byteLength }) => {
    at += byteLength;
    return { name, dtype, shape, data: payload.subarray(at - byteLength, at) };
  });
}
