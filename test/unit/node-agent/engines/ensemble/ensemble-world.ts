/** An ensemble engine whose models the test plays: it sees every call and answers it when it likes. */
import { ServingError } from "../../../../../core/errors.ts";
import type { CallingRequest } from "../../../../../core/messages/calling-request.ts";
import type { InferSubmit } from "../../../../../core/messages/infer.ts";
import type { InferHandle, InferSink } from "../../../../../core/messages/infer-sink.ts";
import type { Tensor } from "../../../../../core/tensor/tensor.ts";
import type { ModelCall, ModelCalls } from "../../../../../node-agent/calls/model-calls.ts";
import { EnsembleEngine, type EnsembleOptions } from "../../../../../node-agent/engines/ensemble/ensemble-engine.ts";
import type { EnsemblePlan, PlannedStep } from "../../../../../node-agent/engines/ensemble/ensemble-plan.ts";
import { FakeClock, turns } from "../../../../support/fake-clock.ts";
import { request, valuesOf } from "../batch/batch-world.ts";

/** A call that the engine made. */
export interface Called {
  readonly call: ModelCall;
  readonly from: CallingRequest;
  readonly sink: InferSink;
  canceled: boolean;
  /** How often it was told that there is room again. */
  resumed: number;
}

export class PlayedModels implements ModelCalls {
  readonly called: Called[] = [];
  /** What the next call of the model throws. */
  readonly refusals = new Map<string, ServingError>();

  call(call: ModelCall, from: CallingRequest, sink: InferSink): InferHandle {
    const refusal = this.refusals.get(call.model);
    if (refusal !== undefined) throw refusal;
    const called: Called = { call, from, sink, canceled: false, resumed: 0 };
    this.called.push(called);
    return {
      cancel: () => {
        called.canceled = true;
      },
      resume: () => {
        called.resumed += 1;
      },
    };
  }

  /** Models in the order of their calls. */
  get names(): readonly string[] {
    return this.called.map(({ call }) => call.model);
  }

  /** Answers the earliest unanswered call of the model. */
  async answer(model: string, outputs: readonly Tensor[]): Promise<void> {
    this.#take(model).sink.answered(outputs, { queueUs: 1, computeInputUs: 10, computeInferUs: 100, computeOutputUs: 1_000 });
    await turns(4);
  }

  /** One of any number of answers to the earliest call of the model that has not ended. @returns whether there is room for another */
  async respond(model: string, response: readonly Tensor[] | ServingError): Promise<boolean | undefined> {
    const hasRoom = this.#find(model).sink.respond?.(response);
    await turns(4);
    return hasRoom;
  }

  async fail(model: string, error: ServingError): Promise<void> {
    this.#take(model).sink.failed(error);
    await turns(4);
  }

  readonly #answered = new Set<Called>();

  #take(model: string): Called {
    const found = this.#find(model);
    this.#answered.add(found);
    return found;
  }

  #find(model: string): Called {
    const found = this.called.find((one) => one.call.model === model && !this.#answered.has(one));
    if (found === undefined) throw new ServingError("NOT_FOUND", `nobody calls ${model}`);
    return found;
  }
}

export interface StepText {
  readonly model: string;
  /** `input: tensor`. */
  readonly takes: Readonly<Record<string, string>>;
  readonly gives: Readonly<Record<string, string>>;
  readonly batches?: boolean;
  readonly decoupled?: boolean;
}

/** Tensors by name; all are INT32 [-1], with a batch dimension where the model batches. */
export function planOf(
  steps: readonly StepText[],
  options: {
    readonly inputs: readonly string[];
    readonly outputs: readonly string[];
    readonly maxBatchSize?: number;
    readonly maxInflight?: number;
  },
): EnsemblePlan {
  const numbers = new Map<string, number>();
  const numberOf = (name: string) => {
    if (!numbers.has(name)) numbers.set(name, numbers.size);
    return numbers.get(name) ?? 0;
  };
  const ports = (map: Readonly<Record<string, string>>) =>
    Object.entries(map).map(([name, tensor]) => ({ name, tensor: numberOf(tensor), dims: [-1] }));
  const own = (names: readonly string[]) => ports(Object.fromEntries(names.map((name) => [name, name])));
  const planned = steps.map(({ model, takes, gives, batches = false, decoupled = false }): PlannedStep => {
    return { model, version: undefined, near: 1, batches, decoupled, inputs: ports(takes), outputs: ports(gives) };
  });
  const { maxBatchSize = 0, maxInflight = 0 } = options;
  const [inputs, outputs] = [own(options.inputs), own(options.outputs)];
  return { name: "e", maxBatchSize, inputs, outputs, steps: planned, maxInflight, tensors: numbers.size };
}

export class EnsembleWorld {
  readonly clock = new FakeClock();
  readonly models = new PlayedModels();
  readonly engine: EnsembleEngine;

  constructor(plan: EnsemblePlan, options: Partial<EnsembleOptions> = {}) {
    this.engine = new EnsembleEngine({ plan, cache: undefined, scope: "e/1/1", ...options }, { calls: this.models, clock: this.clock });
  }

  /** A request that may be answered any number of times. */
  async stream(inputs: readonly Tensor[], fields: Partial<InferSubmit> = {}) {
    const text = (outputs: readonly Tensor[]) => outputs.map((output) => `${output.name}=${valuesOf(output).join()}`).join(" ");
    const came: string[] = [];
    const state = { hasRoom: true };
    const handle = this.engine.infer(request([], { inputs, ...fields }), {
      respond: (response) => {
        came.push(response instanceof ServingError ? response.message : text(response));
        return state.hasRoom;
      },
      answered: (outputs) => came.push(`end ${text(outputs)}`.trim()),
      failed: ({ code, message }) => came.push(`${code} ${message}`),
    });
    await turns(4);
    return { came, state, handle };
  }

  /** What has come in `came`: `NAME=VALUES …` or `CODE message`. */
  async send(inputs: readonly Tensor[], fields: Partial<InferSubmit> = {}) {
    const outcome: { came: string | undefined; handle: InferHandle } = { came: undefined, handle: { cancel: () => {} } };
    outcome.handle = this.engine.infer(request([], { inputs, ...fields }), {
      answered: (outputs) => {
        outcome.came = outputs.map((output) => `${output.name}${JSON.stringify(output.shape)}=${valuesOf(output).join()}`).join(" ");
      },
      failed: ({ code, message }) => {
        outcome.came = `${code} ${message}`;
      },
    });
    await turns(4);
    return outcome;
  }
}
