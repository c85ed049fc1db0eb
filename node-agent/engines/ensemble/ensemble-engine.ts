/**
 * A hosted version of an ensemble: has no runners of its own, and answers requests by calling the models that it is composed of.
 * Counts as Triton does for ensembles: its compute times are the sums of its steps'.
 */
import type { Clock } from "../../../core/clock.ts";
import { ServingError } from "../../../core/errors.ts";
import type { CallingRequest, Upcalls } from "../../../core/messages/calling-request.ts";
import type { InferSubmit } from "../../../core/messages/infer.ts";
import type { InferHandle, InferSink } from "../../../core/messages/infer-sink.ts";
import type { ModelCalls } from "../../calls/model-calls.ts";
import type { ResponseCache } from "../../scheduling/response-cache.ts";
import { AnswerCounter } from "../answer-counter.ts";
import { answersOften } from "../answers-often.ts";
import { AnswerDesk } from "../batch/answer-desk.ts";
import { HostedRequest } from "../batch/hosted-request.ts";
import { RequestForms } from "../batch/request-form.ts";
import type { EngineLoad, InferenceEngine } from "../inference-engine.ts";
import type { ModelStatistics } from "../statistics.ts";
import { DataFlow } from "./data-flow.ts";
import type { EnsemblePlan } from "./ensemble-plan.ts";
import { EnsembleRun } from "./ensemble-run.ts";
import { type FlowGraph, flowGraph } from "./flow-graph.ts";
import { nestedPlan } from "./nested-plan.ts";
import { StepPlaces } from "./step-places.ts";

export interface EnsembleOptions {
  readonly plan: EnsemblePlan;
  /** Where answers are kept; undefined: they are not. */
  readonly cache: ResponseCache | undefined;
  /** The hosted version, another one for each load of it. */
  readonly scope: string;
}

export interface EnsembleDeps {
  readonly calls: ModelCalls;
  readonly clock: Clock;
}

/** Sets of wanted outputs whose flow is remembered; clients ask for few. */
const GRAPHS_MAX = 64;

interface RunningRequest {
  readonly request: HostedRequest;
  readonly run: EnsembleRun;
}

export class EnsembleEngine implements InferenceEngine {
  readonly #plan: EnsemblePlan;
  /** It answers any number of times, since a model of it does. */
  readonly #isDecoupled: boolean;
  readonly #deps: EnsembleDeps;
  readonly #desk: AnswerDesk;
  readonly #forms: RequestForms;
  readonly #places: StepPlaces<() => void>;
  /** By the names of the wanted outputs. */
  readonly #graphs = new Map<string, FlowGraph>();
  readonly #running = new Set<RunningRequest>();
  readonly #drained = Promise.withResolvers<void>();
  #taking: "requests" | "no more" = "requests";

  constructor({ plan, cache, scope }: EnsembleOptions, deps: EnsembleDeps) {
    this.#plan = nestedPlan(plan);
    this.#isDecoupled = plan.steps.some(({ decoupled }) => decoupled === true);
    this.#deps = deps;
    this.#desk = new AnswerDesk({ preserveOrdering: false, cache, scope }, deps.clock);
    this.#forms = new RequestForms(plan.name, { inputs: [], maxBatchSize: plan.maxBatchSize });
    this.#places = new StepPlaces(plan.maxInflight);
  }

  infer(submit: InferSubmit, sink: InferSink, upcalls?: Upcalls): InferHandle {
    const request = this.#admit(submit, sink);
    if (this.#desk.answersFromCache(request)) return { cancel: () => this.#desk.canceled(request) };
    const from: CallingRequest = { submit, deadlineMs: request.deadlineMs, upcalls };
    const graph = this.#graph(submit.outputs);
    const counter = this.#isDecoupled ? new AnswerCounter(request.arrivedMs, this.#desk.statistics, this.#deps.clock) : undefined;
    const run = new EnsembleRun(
      graph,
      new DataFlow(graph),
      from,
      { calls: this.#deps.calls, places: this.#places },
      {
        done: (outputs, compute) => {
          const queueUs = 0; // it begins at once, what waits are its steps
          this.#desk.statistics.executed(request.size, compute, this.#deps.clock.wallClockMs());
          counter?.count(outputs.length === 0 ? "empty" : "success");
          this.#desk.answered(request, outputs, { queueUs, ...compute });
          this.#ended(running);
        },
        respond: (outputs) => {
          counter?.count("success");
          return sink.respond?.(outputs) ?? true;
        },
        failed: (error) => {
          counter?.count("fail");
          this.#desk.failed(request, error, "OTHER");
          this.#ended(running);
        },
      },
    );
    const running: RunningRequest = { request, run };
    this.#running.add(running);
    queueMicrotask(() => run.start(submit.inputs, this.#plan.maxBatchSize > 0 ? request.rows : 0));
    return { cancel: () => this.#cancel(running, counter), resume: () => run.resume() };
  }

  load(): EngineLoad {
    return { queued: 0, running: this.#running.size };
  }

  statistics(): ModelStatistics {
    return this.#desk.statistics.snapshot();
  }

  async drain(): Promise<void> {
    this.#taking = "no more";
    if (this.#running.size === 0) this.#drained.resolve();
    await this.#drained.promise;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#taking = "no more";
    for (const running of this.#running) {
      running.run.cancel();
      this.#desk.failed(running.request, this.#unloaded(), "OTHER");
      this.#ended(running);
    }
    this.#desk.close();
  }

  /** @throws ServingError INVALID_ARGUMENT, UNAVAILABLE; counted as a failure */
  #admit(submit: InferSubmit, sink: InferSink): HostedRequest {
    const nowMs = this.#deps.clock.now();
    try {
      if (this.#taking !== "requests") throw this.#unloaded();
      if (this.#isDecoupled && sink.respond === undefined) throw answersOften(this.#plan.name);
      return new HostedRequest(submit, sink, { rows: this.#forms.rows(submit), form: "", nowMs });
    } catch (thrown) {
      this.#desk.statistics.failed(this.#taking === "requests" ? "OTHER" : "REJECTED", 0);
      throw thrown;
    }
  }

  #cancel(running: RunningRequest, counter: AnswerCounter | undefined): void {
    if (!running.request.over) counter?.count("cancel");
    running.request.muted = true;
    running.run.cancel();
    this.#desk.canceled(running.request);
    this.#ended(running);
  }

  #ended(running: RunningRequest): void {
    this.#running.delete(running);
    if (this.#taking === "no more" && this.#running.size === 0) this.#drained.resolve();
  }

  #graph(outputs: readonly string[]): FlowGraph {
    const key = outputs.join("\0");
    const known = this.#graphs.get(key);
    if (known !== undefined) return known;
    const graph = flowGraph(this.#plan, outputs);
    if (this.#graphs.size < GRAPHS_MAX) this.#graphs.set(key, graph);
    return graph;
  }

  #unloaded(): ServingError {
    return new ServingError("UNAVAILABLE", `ensemble '${this.#plan.name}' was unloaded; try again`, { reason: "unloaded" });
  }
}
