/**
 * One stage in one epoch: frames come from upstream, run one at a time, and leave downstream. The outgoing frame is with the
 * kernel before the next one is taken: its bytes are the arrays that the next run writes to, and a large frame that waits in
 * this process while it computes would starve the next stage.
 */
import type { Clock } from "../clock.ts";
import { ServingError } from "../errors.ts";
import type { Connection } from "./connection.ts";
import type { Frame } from "./frame.ts";
import type { Step, StepToken } from "./step.ts";
import { decodeStep, encodeResult } from "./step-codec.ts";
import { decodePayload, encodePayloadHead } from "./step-payload.ts";

/** Activations for the next stage, or the last stage's tokens. Parts are read until the next run begins. */
export type StageOutput =
  | { readonly kind: "activations"; readonly parts: readonly Uint8Array[] }
  | { readonly kind: "tokens"; readonly tokens: readonly StepToken[] };

/** What a stage computes. */
export interface StageWork {
  /** Empties all slots; a new epoch begins. */
  reset(): void;
  /**
   * Runs a step to its end on this thread.
   * @param activations the previous stage's; empty on the first
   * @throws ServingError when the step does not fit the shard: nothing was computed.
   */
  run(step: Step, activations: Uint8Array): StageOutput;
}

/** Frames that wait before reading pauses. */
const QUEUE_MAX = 32;

export interface StageLinkOptions {
  readonly epoch: number;
  readonly next: Connection;
  readonly work: StageWork;
  readonly clock: Clock;
}

export class StageLink {
  readonly epoch: number;
  readonly #next: Connection;
  readonly #work: StageWork;
  readonly #clock: Clock;
  readonly #queue: Frame[] = [];
  #upstream: Connection | undefined;
  #busy = false;
  #paused = false;
  #over = false;
  #nextStep: number | undefined;

  constructor(options: StageLinkOptions) {
    this.epoch = options.epoch;
    this.#next = options.next;
    this.#work = options.work;
    this.#clock = options.clock;
    this.#next.listener = {
      frame: (frame) => this.end(`the next stage sent a ${frame.kind} frame`),
      gone: (why) => this.end(why.message),
    };
  }

  get over(): boolean {
    return this.#over;
  }

  /** The end that sends the steps. Only one is taken. */
  adopt(upstream: Connection): void {
    if (this.#over || this.#upstream !== undefined) {
      upstream.fail(this.epoch, `epoch ${this.epoch} is over or has its sender already`);
      return;
    }
    this.#upstream = upstream;
    upstream.listener = { frame: (frame) => this.#receive(frame), gone: (why) => this.end(why.message) };
    upstream.resume();
  }

  /** Tells both neighbors why, and stops. */
  end(why: string): void {
    if (this.#over) return;
    this.#over = true;
    this.#queue.length = 0;
    this.#upstream?.fail(this.epoch, why);
    this.#next.fail(this.epoch, why);
  }

  #receive(frame: Frame): void {
    if (frame.epoch < this.epoch) return;
    this.#queue.push(frame);
    if (this.#queue.length >= QUEUE_MAX) {
      this.#paused = true;
      this.#upstream?.pause();
    }
    if (!this.#busy) this.#take();
  }

  #take(): void {
    if (this.#over) return;
    const frame = this.#queue.shift();
    if (frame === undefined) return;
    if (this.#paused && this.#queue.length === 0) {
      this.#paused = false;
      this.#upstream?.resume();
    }
    this.#busy = true;
    try {
      this.#run(frame);
    } catch (thrown) {
      const why = ServingError.from(thrown);
      const cause = why.cause instanceof Error ? `: ${why.cause.message}` : "";
      this.end(`a stage refused step ${frame.step}: ${why.message}${cause}`);
    }
  }

  #run(frame: Frame): void {
    this.#checkOrder(frame);
    const { plan, stageUs, activations } = decodePayload(frame.payload);
    const step = decodeStep(plan, frame);
    const beganMs = this.#clock.now();
    const output = this.#work.run(step, activations);
    const ownUs = step.run.kind === "none" ? 0 : Math.round((this.#clock.now() - beganMs) * 1000);
    const passed = [...stageUs, ownUs];
    if (output.kind === "tokens") {
      const bytes = encodeResult({ epoch: this.epoch, step: frame.step, tokens: output.tokens, stageUs: passed });
      this.#next.send({ kind: "result", epoch: this.epoch, step: frame.step }, [bytes], () => this.#sent());
    } else {
      const head = encodePayloadHead({ plan, stageUs: passed });
      this.#next.send({ kind: "step", epoch: this.epoch, step: frame.step }, [head, ...output.parts], () => this.#sent());
    }
  }

  #sent(): void {
    this.#busy = false;
    if (this.#queue.length > 0) setImmediate(() => this.#busy || this.#take());
  }

  #checkOrder(frame: Frame): void {
    const wanted = this.#nextStep ?? frame.step;
    if (frame.kind !== "step" || frame.epoch !== this.epoch || frame.step !== wanted)
      throw new ServingError("INVALID_ARGUMENT", `a ${frame.kind} frame of step ${frame.step} came where step ${wanted} belongs`);
    this.#nextStep = frame.step + 1;
  }
}
