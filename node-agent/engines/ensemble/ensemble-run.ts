/**
 * A request inside an ensemble: calls the steps that its data flow says may run, until its outputs are there or a step fails. What comes
 * after a step that answers any number of times is a run of its own for each answer (`step-answers.ts`).
 */
import { ServingError } from "../../../core/errors.ts";
import type { CallingRequest } from "../../../core/messages/calling-request.ts";
import type { InferTimes } from "../../../core/messages/infer.ts";
import type { InferHandle, InferSink } from "../../../core/messages/infer-sink.ts";
import type { Tensor } from "../../../core/tensor/tensor.ts";
import type { ModelCalls } from "../../calls/model-calls.ts";
import { DataFlow } from "./data-flow.ts";
import type { EnsemblePlan } from "./ensemble-plan.ts";
import type { FlowGraph } from "./flow-graph.ts";
import type { ComputeTimes, RunSink } from "./run-sink.ts";
import { StepAnswers } from "./step-answers.ts";
import type { StepPlaces } from "./step-places.ts";

export interface RunDeps {
  readonly calls: ModelCalls;
  /** Shared by the requests of the ensemble. */
  readonly places: StepPlaces<() => void>;
  /** A step that waited for a place has it. */
  readonly onPlace?: () => void;
}

export class EnsembleRun {
  readonly #plan: EnsemblePlan;
  readonly #graph: FlowGraph;
  readonly #flow: DataFlow;
  readonly #from: CallingRequest;
  readonly #deps: RunDeps;
  readonly #sink: RunSink;
  /** By step: what runs. */
  readonly #running = new Map<number, InferHandle>();
  /** By step: what waits for a place in it. */
  readonly #waiting = new Map<number, () => void>();
  /** By step: what becomes of its answers. */
  readonly #answers = new Map<number, StepAnswers>();
  readonly #compute = { computeInputUs: 0, computeInferUs: 0, computeOutputUs: 0 };
  #over = false;

  constructor(graph: FlowGraph, flow: DataFlow, from: CallingRequest, deps: RunDeps, sink: RunSink) {
    this.#plan = graph.plan;
    this.#graph = graph;
    this.#flow = flow;
    this.#from = from;
    this.#deps = deps;
    this.#sink = sink;
  }

  /** @param batchSize 0: the inputs are no batch */
  start(inputs: readonly Tensor[], batchSize: number): void {
    if (this.#over) return;
    this.#begin(this.#flow.begin(inputs, batchSize));
  }

  /** Some step of it, or of what is inside of it, waits for a place. */
  get isWaiting(): boolean {
    return this.#waiting.size > 0 || this.#answers.values().some(({ isWaiting }) => isWaiting);
  }

  /** There is room for more after `respond` has said that there was none. */
  resume(): void {
    for (const answers of this.#answers.values()) answers.resume();
  }

  /** Gives up what runs; the sink is not called any more. */
  cancel(): void {
    if (this.#over) return;
    this.#over = true;
    for (const [step, waiter] of this.#waiting) this.#deps.places.forget(this.#placeOf(step), waiter);
    for (const [step, handle] of this.#running) {
      handle.cancel();
      this.#leave(step);
    }
    for (const answers of this.#answers.values()) answers.cancel();
    this.#waiting.clear();
    this.#running.clear();
  }

  #begin(steps: readonly number[]): void {
    for (const step of steps) {
      const waiter = () => {
        this.#waiting.delete(step);
        this.#call(step);
        this.#deps.onPlace?.();
      };
      if (this.#deps.places.enter(this.#placeOf(step), waiter)) this.#call(step);
      else this.#waiting.set(step, waiter);
      if (this.#over) return;
    }
    if (this.#flow.complete) this.#done();
    else if (this.#flow.running === 0) this.#stuck();
  }

  #call(step: number): void {
    const planned = this.#plan.steps[step];
    if (planned === undefined) return;
    const { id, priority, queueTimeoutUs, parameters } = this.#from.submit;
    const { model, version, near } = planned;
    const outputs = this.#graph.gives[step] ?? [];
    try {
      const inputs = this.#flow.take(step);
      const call = { model, version, near, id, priority, queueTimeoutUs, parameters, inputs, outputs };
      const sink = this.#sinkOf(step);
      this.#running.set(step, this.#deps.calls.call(call, this.#from, sink));
    } catch (thrown) {
      this.#leave(step);
      this.#failed(step, ServingError.from(thrown));
    }
  }

  #sinkOf(step: number): InferSink {
    const graph = this.#graph.inner[step];
    if (graph === undefined) {
      return {
        answered: (given, times) => {
          this.#left(step);
          this.#answered(step, given, times);
        },
        failed: (error) => {
          this.#left(step);
          this.#failed(step, error);
        },
      };
    }
    const answers = new StepAnswers({
      run: (sink, onPlace) => new EnsembleRun(graph, new DataFlow(graph), this.#from, { ...this.#deps, onPlace }, sink),
      batchSize: this.#flow.batchSizeOf(step),
      onPlace: () => this.#deps.onPlace?.(),
      respond: (outputs) => this.#sink.respond(outputs),
      took: (compute) => this.#took(compute),
      resumeStep: () => this.#running.get(step)?.resume?.(),
      ended: () => this.#left(step),
      cancelStep: () => this.#running.get(step)?.cancel(),
      done: (times) => this.#answered(step, [], times),
      failed: (error, isStep) => this.#failed(step, error, isStep),
    });
    this.#answers.set(step, answers);
    return answers;
  }

  #answered(step: number, outputs: readonly Tensor[], times: InferTimes): void {
    if (this.#over) return;
    this.#took(times);
    this.#begin(this.#flow.completed(step, outputs));
  }

  #took({ computeInputUs, computeInferUs, computeOutputUs }: ComputeTimes): void {
    this.#compute.computeInputUs += computeInputUs;
    this.#compute.computeInferUs += computeInferUs;
    this.#compute.computeOutputUs += computeOutputUs;
  }

  /**
   * As in Triton, the step's own code and message; where they do not say it, also which step and model it was.
   * @param isStep false: another step failed for an answer of this one, and has been named
   */
  #failed(step: number, error: ServingError, isStep = true): void {
    if (this.#over) return;
    this.cancel();
    if (!isStep) {
      this.#sink.failed(error);
      return;
    }
    const model = this.#plan.steps[step]?.model ?? "";
    const where = error.message.includes(model) ? "" : ` (step ${this.#placeOf(step)}, model '${model}')`;
    this.#fail(new ServingError(error.code, `${error.message}${where}`, { cause: error }));
  }

  #stuck(): void {
    this.#over = true;
    const { id } = this.#from.submit;
    const message = `[request id: ${id === "" ? "<id_unknown>" : id}] unexpected deadlock, at least one output is not set while no more ensemble steps can be made`;
    this.#fail(new ServingError("INVALID_ARGUMENT", message));
  }

  #fail({ code, message, cause }: ServingError): void {
    this.#sink.failed(new ServingError(code, `in ensemble '${this.#plan.name}', ${message}`, { cause }));
  }

  #done(): void {
    this.cancel();
    this.#sink.done(this.#flow.outputs(), this.#compute);
  }

  #left(step: number): void {
    this.#running.delete(step);
    this.#leave(step);
  }

  /** Who waited has the place now, and begins. */
  #leave(step: number): void {
    this.#deps.places.leave(this.#placeOf(step))?.();
  }

  #placeOf(step: number): number {
    return this.#plan.steps[step]?.place ?? step;
  }
}
