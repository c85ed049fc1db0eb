/**
 * What becomes of the answers of one step that gives any number of them: each goes through what comes after the step, several side by
 * side; what that makes leaves in the order of the answers. The step is held back while places are missing, or its reader has no room.
 */
import { ServingError } from "../../../core/errors.ts";
import type { InferTimes } from "../../../core/messages/infer.ts";
import type { InferSink, Response } from "../../../core/messages/infer-sink.ts";
import type { Tensor } from "../../../core/tensor/tensor.ts";
import { ReleaseOrder } from "../../scheduling/release-order.ts";
import type { ComputeTimes, RunSink } from "./run-sink.ts";

/** Answers that may be on their way before the step is held back. */
const ON_THEIR_WAY_MAX = 64;

/** What comes after the step, for one answer. */
export interface AnswerRun {
  /** Some step of it waits for a place. */
  readonly isWaiting: boolean;
  start(inputs: readonly Tensor[], batchSize: number): void;
  resume(): void;
  cancel(): void;
}

export interface StepAnswersDeps {
  readonly run: (sink: RunSink, onPlace: () => void) => AnswerRun;
  /** Of the answers; 0: they are no batches. */
  readonly batchSize: number;
  /** A step of those runs that waited for a place has it. */
  readonly onPlace: () => void;
  /** What an answer has come to. @returns false: no more before `resume` */
  readonly respond: (outputs: readonly Tensor[]) => boolean;
  readonly took: (compute: ComputeTimes) => void;
  readonly resumeStep: () => void;
  /** The step itself gives no more answers. */
  readonly ended: () => void;
  readonly cancelStep: () => void;
  /** All answers are through. @param times of the step itself */
  readonly done: (times: InferTimes) => void;
  /** @param isStep it was the step itself that failed */
  readonly failed: (error: ServingError, isStep: boolean) => void;
}

export class StepAnswers implements InferSink {
  readonly #deps: StepAnswersDeps;
  readonly #order = new ReleaseOrder<() => void>();
  readonly #runs = new Set<AnswerRun>();
  #hasRoom = true;
  #isHeld = false;
  /** Nothing that comes is wanted any more. */
  #isOver = false;

  constructor(deps: StepAnswersDeps) {
    this.#deps = deps;
  }

  get isWaiting(): boolean {
    return this.#runs.values().some(({ isWaiting }) => isWaiting);
  }

  respond(response: Response): boolean {
    if (response instanceof ServingError) this.#fail(response, true);
    else this.#through(response);
    this.#isHeld = !this.#isOver && !this.#mayGoOn();
    return !this.#isHeld;
  }

  answered(outputs: readonly Tensor[], times: InferTimes): void {
    this.#deps.ended();
    if (outputs.length > 0) this.#through(outputs);
    this.#settle(() => this.#deps.done(times));
  }

  failed(error: ServingError): void {
    this.#deps.ended();
    this.#settle(() => this.#deps.failed(error, true));
  }

  resume(): void {
    this.#hasRoom = true;
    for (const run of this.#runs) run.resume();
    this.#goOn();
  }

  cancel(): void {
    this.#isOver = true;
    for (const run of this.#runs) run.cancel();
    this.#runs.clear();
  }

  #through(outputs: readonly Tensor[]): void {
    if (this.#isOver) return;
    const turn = this.#order.take();
    const leave = (act: () => void) => {
      this.#runs.delete(run);
      for (const next of this.#order.settle(turn, act)) if (!this.#isOver) next();
      this.#goOn();
    };
    const run = this.#deps.run(
      {
        done: (made, compute) => {
          this.#deps.took(compute);
          leave(() => {
            if (made.length > 0) this.#give(made);
          });
        },
        respond: (made) => this.#give(made), // of a decoupled step behind this one: as they come
        failed: (error) => {
          this.#deps.cancelStep();
          leave(() => this.#deps.failed(error, false));
        },
      },
      () => {
        this.#goOn();
        this.#deps.onPlace();
      },
    );
    this.#runs.add(run);
    run.start(outputs, this.#deps.batchSize);
  }

  #give(made: readonly Tensor[]): boolean {
    this.#hasRoom = this.#deps.respond(made);
    return this.#hasRoom;
  }

  #fail(error: ServingError, isStep: boolean): void {
    this.#deps.cancelStep();
    this.#settle(() => this.#deps.failed(error, isStep));
  }

  /** After what came before it. */
  #settle(act: () => void): void {
    for (const next of this.#order.settle(this.#order.take(), act)) if (!this.#isOver) next();
  }

  #mayGoOn(): boolean {
    return this.#hasRoom && this.#runs.size < ON_THEIR_WAY_MAX && !this.isWaiting;
  }

  #goOn(): void {
    if (!this.#isHeld || this.#isOver || !this.#mayGoOn()) return;
    this.#isHeld = false;
    this.#deps.resumeStep();
  }
}
