/** Runners of whole models as child processes, one per instance. */
import { fileURLToPath } from "node:url";
import { LENT_BYTES_MAX, LENT_BYTES_MIN, type Lease, LentMemory } from "../../core/bytes/lent-memory.ts";
import { pooledCopy } from "../../core/bytes/pooled-bytes.ts";
import { type Clock, systemClock } from "../../core/clock.ts";
import { ServingError } from "../../core/errors.ts";
import type { Random } from "../../core/random.ts";
import type { Logger } from "../../core/telemetry/logger.ts";
import { bytesOf } from "../../core/tensor/tensor.ts";
import type { Batch, BatchResult, ModelRunnerFactory, ModelRunnerHandle, ModelSignature, OpenModel } from "../../core/wire/model-runner.ts";
import type { ModelFrameHead } from "../../core/wire/model-wire.ts";
import { BatchCodec, type EncodedTensors, withoutPayload } from "../../core/wire/model-wire-batch.ts";
import { decodeFailure, decodeSignature, encodeOpen } from "../../core/wire/model-wire-open.ts";
import { ModelSocket, type ModelSocketListener } from "../../core/wire/model-wire-socket.ts";
import type { RunnerExit } from "../../core/wire/runner-handle.ts";
import { RunnerChild, runnerDeath } from "./runner-child.ts";
import { startLowered } from "./shard/load-priority.ts";
import { SharedTensors } from "./shared-tensors.ts";

export interface ModelProcessesOptions {
  /** Gets what runners write to their standard output and error. */
  readonly logger: Logger;
  /** Another ONNX Runtime than the one that is installed. */
  readonly libraryFile?: string;
  /** Of the runners; the agent's own unless said. */
  readonly environment?: NodeJS.ProcessEnv;
  readonly clock?: Clock;
  readonly random?: Random;
}

const PROGRAM = fileURLToPath(new URL("./onnx/main.ts", import.meta.url));

export function modelProcesses(options: ModelProcessesOptions): ModelRunnerFactory {
  const memory = new LentMemory();
  return { start: () => new ModelProcess(options, memory) };
}

/** What the runner is asked for at the moment. */
type Asked =
  | { readonly kind: "nothing" }
  | { readonly kind: "open"; readonly number: number; readonly file: string; readonly answer: PromiseWithResolvers<ModelSignature> }
  | { readonly kind: "execute"; readonly number: number; readonly answer: PromiseWithResolvers<BatchResult> };

const NOTHING: Asked = { kind: "nothing" };

class ModelProcess implements ModelRunnerHandle, ModelSocketListener {
  readonly #options: ModelProcessesOptions;
  readonly #memory: LentMemory;
  /** For large inputs and results; undefined: they travel. */
  readonly #shared = SharedTensors.create();
  readonly #child: RunnerChild;
  readonly #socket: ModelSocket;
  readonly #endLowered: () => void;
  #codec: BatchCodec | undefined;
  #asked: Asked = NOTHING;
  #requests = 0;
  /** A large result that is on its way. */
  #arriving: { readonly head: Uint8Array; readonly lease: Lease } | undefined;
  #gone: ServingError | undefined;
  /** The signal that is listened to: the same one serves many executions. */
  #signal: AbortSignal | undefined;
  readonly #onAbort = (): void => this.#abort();

  /** @param memory for large results */
  constructor(options: ModelProcessesOptions, memory: LentMemory) {
    this.#options = options;
    this.#memory = memory;
    this.#child = new RunnerChild({
      ...options,
      program: PROGRAM,
      environment: options.environment ?? process.env,
      input: this.#shared?.file,
      ended: (exit) => this.#ended(exit),
    });
    this.#endLowered = startLowered(this.#child.pid, options.clock ?? systemClock);
    this.#socket = ModelSocket.over(this.#child.channel, this);
  }

  get incarnation(): string {
    return this.#child.incarnation;
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  get exited(): Promise<RunnerExit> {
    return this.#child.exited;
  }

  async open(model: OpenModel, signal: AbortSignal): Promise<ModelSignature> {
    const number = this.#begin(signal);
    const answer = Promise.withResolvers<ModelSignature>();
    this.#asked = { kind: "open", number, file: model.file, answer };
    const onAbort = () => {
      answer.reject(signal.reason);
      this.kill(); // it loads on, and nobody wants it
    };
    signal.addEventListener("abort", onAbort, { once: true });
    this.#socket.send("open", number, { head: encodeOpen(model), parts: [], payloadBytes: 0 });
    try {
      const signature = await answer.promise;
      this.#codec = new BatchCodec(signature);
      return signature;
    } finally {
      signal.removeEventListener("abort", onAbort);
      this.#endLowered();
    }
  }

  async execute(batch: Batch, signal: AbortSignal): Promise<BatchResult> {
    if (signal.aborted) throw canceled();
    const number = this.#begin(signal);
    if (this.#codec === undefined) throw new ServingError("FAILED_PRECONDITION", "a runner executes after it has opened its model");
    const encoded = this.#codec.encodeBatch(batch);
    this.#listenTo(signal);
    const answer = Promise.withResolvers<BatchResult>();
    this.#asked = { kind: "execute", number, answer };
    this.#socket.send("execute", number, this.#share(batch, encoded) ? withoutPayload(encoded) : encoded);
    return answer.promise;
  }

  async close(): Promise<void> {
    await this.#child.close();
  }

  kill(): void {
    this.#child.kill();
  }

  room({ kind, head, payloadBytes }: ModelFrameHead): readonly Uint8Array[] | "pieces" {
    if (kind !== "result" || payloadBytes < LENT_BYTES_MIN || payloadBytes > LENT_BYTES_MAX) return "pieces";
    this.#arriving = { head: pooledCopy(head), lease: this.#memory.lend(payloadBytes) };
    return [this.#arriving.lease.bytes];
  }

  frame(frame: ModelFrameHead, payload: readonly Uint8Array[]): void {
    const [asked, arrived] = [this.#asked, this.#arriving];
    this.#arriving = undefined;
    if (asked.kind === "nothing" || frame.number !== asked.number) {
      this.#nonsense(`a runner answered '${frame.kind}' to a question that nobody asked`);
      return;
    }
    this.#asked = NOTHING;
    if (frame.kind === "failed") asked.answer.reject(decodeFailure(frame.head));
    else if (frame.kind === "opened" && asked.kind === "open") asked.answer.resolve(decodeSignature(frame.head));
    else if (frame.kind === "result" && asked.kind === "execute" && this.#codec !== undefined) {
      if (this.#signal?.aborted === true) asked.answer.reject(canceled());
      else if (arrived === undefined) asked.answer.resolve(this.#result(this.#codec, frame.head, payload));
      else asked.answer.resolve({ ...this.#codec.decodeResult(arrived.head, [arrived.lease.bytes]), memory: arrived.lease });
    } else this.#nonsense(`a runner answered '${frame.kind}' to another question`);
  }

  gone(why: ServingError): void {
    if (why.code === "DATA_LOSS") this.#nonsense(why.message);
    this.#gone ??= new ServingError("UNAVAILABLE", "the runner is ending", { reason: "runner_died", cause: why });
  }

  /** Copies large inputs to where the runner reads them: what has no length of its own, as strings, travels. */
  #share({ inputs }: Batch, { payloadBytes }: EncodedTensors): boolean {
    if (payloadBytes < LENT_BYTES_MIN || inputs.some(({ head }) => head.dtype === "BYTES")) return false;
    const places = this.#shared?.inputs(inputs.map(({ parts }) => bytesOf(parts)));
    for (const [index, place] of places?.entries() ?? []) {
      let at = 0;
      for (const part of inputs[index]?.parts ?? []) {
        place.set(part, at);
        at += part.byteLength;
      }
    }
    return places !== undefined;
  }

  /** What lies in the memory that is shared is copied: the next batch's outputs come there. */
  #result(codec: BatchCodec, head: Uint8Array, payload: readonly Uint8Array[]): BatchResult {
    if (payload.length > 0) return codec.decodeResult(head, payload);
    let memory: Lease | undefined;
    const result = codec.decodeResult(head, payload, (byteLengths) => {
      const places = this.#shared?.outputs(byteLengths);
      if (places === undefined) return undefined;
      const lease = this.#memory.lend(bytesOf(places));
      memory = lease;
      let at = 0;
      return places.map((place) => {
        lease.bytes.set(place, at);
        at += place.byteLength;
        return lease.bytes.subarray(at - place.byteLength, at);
      });
    });
    return { ...result, memory };
  }

  #begin(signal: AbortSignal): number {
    if (this.#gone !== undefined) throw this.#gone;
    if (signal.aborted) throw signal.reason;
    if (this.#asked.kind !== "nothing") throw new ServingError("FAILED_PRECONDITION", "a runner does one thing at a time");
    this.#requests = (this.#requests + 1) % 2 ** 32;
    return this.#requests;
  }

  #listenTo(signal: AbortSignal): void {
    if (this.#signal === signal) return;
    this.#signal?.removeEventListener("abort", this.#onAbort);
    this.#signal = signal;
    signal.addEventListener("abort", this.#onAbort, { once: true });
  }

  #abort(): void {
    if (this.#asked.kind === "execute") this.#socket.send("cancel", this.#asked.number);
  }

  #nonsense(message: string): void {
    this.#options.logger.error({ pid: this.pid }, `${message}: it is killed`);
    this.kill();
  }

  async #ended(exit: RunnerExit): Promise<void> {
    const asked = this.#asked;
    const during = asked.kind === "open" ? ` while it loaded ${asked.file}` : "";
    this.#gone = runnerDeath(exit, { during, remedy: "use fewer instances or a smaller max_batch_size" });
    this.#asked = NOTHING;
    this.#endLowered();
    this.#shared?.[Symbol.dispose]();
    this.#signal?.removeEventListener("abort", this.#onAbort);
    if (asked.kind !== "nothing") asked.answer.reject(this.#gone);
  }
}

const canceled = (): ServingError => new ServingError("CANCELLED", "the batch was canceled");
