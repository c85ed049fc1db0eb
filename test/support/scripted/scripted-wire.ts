/** The lead's end of scripted stages. Made by `ScriptedRunners` only. */
import { ServingError } from "../../../core/errors.ts";
import type { Step, StepResult } from "../../../core/wire/step.ts";
import { decodeResult, encodeStep } from "../../../core/wire/step-codec.ts";
import type { JoinOptions, Pipeline, PipelineListener, Wire } from "../../../core/wire/wire.ts";
import type { ScriptedEnd, ScriptedHub, ScriptedMessage, Upstream } from "./scripted-hub.ts";

const pipelineKey = (from: { readonly replica: string; readonly epoch: number }): string => `${from.replica} ${from.epoch}`;

export class ScriptedWire implements Wire, ScriptedEnd {
  readonly kind = "wire";
  readonly address: string;
  readonly #hub: ScriptedHub;
  /** Last stages that said hello. */
  readonly #arrived = new Map<string, Upstream>();
  readonly #pipelines = new Map<string, ScriptedPipeline>();

  constructor(hub: ScriptedHub, address: string) {
    this.#hub = hub;
    this.address = address;
    hub.register(address, this);
  }

  join(options: JoinOptions, listener: PipelineListener, signal: AbortSignal): Promise<Pipeline> {
    const key = pipelineKey(options);
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason);
      const first = this.#hub.find(options.first);
      if (first === undefined) return reject(new ServingError("UNAVAILABLE", `no stage answers at ${options.first}`));
      const pipeline = new ScriptedPipeline(this.#hub, first, options, listener);
      const onAbort = () => {
        pipeline.close();
        reject(signal.reason);
      };
      signal.addEventListener("abort", onAbort, { once: true });
      pipeline.onJoined = () => {
        signal.removeEventListener("abort", onAbort);
        resolve(pipeline);
      };
      pipeline.onRefused = (why) => {
        signal.removeEventListener("abort", onAbort);
        reject(why);
      };
      this.#pipelines.set(key, pipeline);
      pipeline.onClosed = () => this.#pipelines.delete(key);
      first.hello(pipeline);
      if (this.#arrived.has(key)) pipeline.lastStageArrived();
    });
  }

  hello(from: Upstream): void {
    this.#arrived.set(pipelineKey(from), from);
    this.#pipelines.get(pipelineKey(from))?.lastStageArrived();
  }

  deliver(message: ScriptedMessage): void {
    const { epoch, step } = message;
    const result = { ...decodeResult(message.bytes, { epoch, step }), stageUs: message.stageUs };
    this.#pipelines.get(pipelineKey(message))?.result(result);
  }

  upstreamGone(epoch: number, why: ServingError): void {
    for (const [key, from] of this.#arrived) {
      if (from.epoch !== epoch || from.connected()) continue;
      this.#arrived.delete(key);
      this.#pipelines.get(key)?.broken(why);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#hub.unregister(this.address);
    for (const pipeline of [...this.#pipelines.values()]) pipeline.close();
  }
}

type State = "joining" | "open" | "closed";

class ScriptedPipeline implements Pipeline, Upstream {
  readonly replica: string;
  readonly epoch: number;
  onJoined = () => {};
  onRefused = (_why: ServingError) => {};
  onClosed = () => {};
  readonly #hub: ScriptedHub;
  readonly #first: ScriptedEnd;
  readonly #listener: PipelineListener;
  #state: State = "joining";

  constructor(hub: ScriptedHub, first: ScriptedEnd, options: JoinOptions, listener: PipelineListener) {
    this.#hub = hub;
    this.#first = first;
    this.#listener = listener;
    this.replica = options.replica;
    this.epoch = options.epoch;
  }

  connected(): boolean {
    return this.#state !== "closed";
  }

  lastStageArrived(): void {
    if (this.#state !== "joining") return;
    this.#state = "open";
    this.#hub.clock.after(0, this.onJoined);
  }

  submit(step: Step): void {
    if (this.#state !== "open") return;
    const message = { replica: this.replica, epoch: this.epoch, step: step.step, bytes: encodeStep(step), stageUs: [] };
    this.#hub.clock.after(0, () => this.#first.deliver(message));
  }

  result(result: StepResult): void {
    if (this.#state === "open") this.#listener.result(result);
  }

  /** A stage is gone. */
  broken(why: ServingError): void {
    const was = this.#state;
    this.close();
    if (was === "joining") this.onRefused(why);
    if (was === "open") this.#hub.clock.after(0, () => this.#listener.broken(why));
  }

  close(): void {
    if (this.#state === "closed") return;
    this.#state = "closed";
    this.onClosed();
    this.#first.upstreamGone(this.epoch, new ServingError("UNAVAILABLE", "the lead closed the pipeline"));
  }
}
