/** A request inside an ensemble: calls the steps that its data flow says may run, until its outputs are there or a step fails. */
import { ServingError } from "../../../core/errors.ts";
import type { InferTimes } from "../../../core/messages/infer.ts";
import type { InferHandle, InferSink } from "../../../core/messages/infer-sink.ts";
import type { Tensor } from "../../../core/tensor/tensor.ts";
import type { CallingRequest, ModelCalls } from "../../calls/model-calls.ts";
import type { DataFlow } from "./data-flow.ts";
import type { EnsemblePlan } from "./ensemble-plan.ts";
import type { FlowGraph } from "./flow-graph.ts";
import type { StepPlaces } from "./step-places.ts";

export interface RunDeps {
  readonly calls: ModelCalls;
  /** Shared by the requests of the ensemble. */
  readonly places: StepPlaces<() => void>;
}

/** What its steps took together. */
export type ComputeTimes = Omit<InferTimes, "queueUs">;

/** Called once, on a later turn than the run's start. */
export interface RunSink {
  done(outputs: readonly Tensor[], compute: ComputeTimes): void;
  /** Steps that still ran have been given up. */
  failed(error: ServingError): void;
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

  /** @param batchSize 0: the ensemble does not batch */
  start(batchSize: number): void {
    if (this.#over) return;
    this.#begin(this.#flow.begin(this.#from.submit.inputs, batchSize));
  }

  /** Gives up what runs; the sink is not called any more. */
  cancel(): void {
    if (this.#over) return;
    this.#over = true;
    for (const [step, waiter] of this.#waiting) this.#deps.places.forget(step, waiter);
    for (const [step, handle] of this.#running) {
      handle.cancel();
      this.#leave(step);
    }
    this.#waiting.clear();
    this.#running.clear();
  }

  #begin(steps: readonly number[]): void {
    for (const step of steps) {
      const waiter = () => {
        this.#waiting.delete(step);
        this.#call(step);
      };
      if (this.#deps.places.enter(step, waiter)) this.#call(step);
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
    const sink: InferSink = {
      answered: (given, times) => this.#answered(step, given, times),
      failed: (error) => this.#failed(step, error),
    };
    try {
      const inputs = this.#flow.take(step);
      const call = { model, version, near, id, priority, queueTimeoutUs, parameters, inputs, outputs };
      this.#running.set(step, this.#deps.calls.call(call, this.#from, sink));
    } catch (thrown) {
      this.#failed(step, ServingError.from(thrown));
    }
  }

  #answered(step: number, outputs: readonly Tensor[], times: InferTimes): void {
    this.#running.delete(step);
    this.#leave(step);
    if (this.#over) return;
    this.#compute.computeInputUs += times.computeInputUs;
    this.#compute.computeInferUs += times.computeInferUs;
    this.#compute.computeOutputUs += times.computeOutputUs;
    this.#begin(this.#flow.completed(step, outputs));
  }

  /** As in Triton, the step's own code and message; where they do not say it, also which step and model it was. */
  #failed(step: number, error: ServingError): void {
    this.#running.delete(step);
    this.#leave(step);
    if (this.#over) return;
    this.cancel();
    const model = this.#plan.steps[step]?.model ?? "";
    const where = error.message.includes(model) ? "" : ` (step ${step}, model '${model}')`;
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

  /** Who waited has the place now, and begins. */
  #leave(step: number): void {
    this.#deps.places.leave(step)?.();
  }
}
