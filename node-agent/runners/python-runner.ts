/** Python models with sequences: their processes as runners of batches, which they get as one request a row. */
import { assert, ServingError } from "../../core/errors.ts";
import type { CallingRequest } from "../../core/messages/calling-request.ts";
import type { PythonOpen, PythonRequest } from "../../core/messages/python-runner.ts";
import { backendFlags } from "../../core/messages/sequence-step.ts";
import { partsOf, type Tensor, tensorOf } from "../../core/tensor/tensor.ts";
import type {
  Batch,
  BatchResult,
  BatchRow,
  ModelRunnerFactory,
  ModelRunnerHandle,
  ModelSignature,
  OpenModel,
} from "../../core/wire/model-runner.ts";
import { PythonCalls } from "../backends/python-calls.ts";
import type { ModelCalls, ModelControls } from "../calls/model-calls.ts";
import { LowestFree } from "../scheduling/lowest-free.ts";
import { type PythonListener, PythonProcess, type PythonProcessOptions } from "./python-process.ts";

export interface PythonRunnersOptions extends PythonProcessOptions {
  /** What an instance's process is told. */
  readonly open: (instance: number) => PythonOpen;
  /** What the model's configuration says that it takes and gives. */
  readonly signature: ModelSignature;
  /** 0: tensors have no batch dimension. */
  readonly maxBatchSize: number;
  readonly measured: PythonListener["measured"];
  /** How models call others. */
  readonly calls: ModelCalls & ModelControls;
}

export function pythonRunners(options: PythonRunnersOptions): ModelRunnerFactory {
  const numbers = new LowestFree(Number.MAX_SAFE_INTEGER);
  return { start: () => new PythonRunner(options, numbers) };
}

type Answer = readonly Tensor[] | ServingError;

class PythonRunner implements ModelRunnerHandle {
  readonly incarnation: string;
  readonly #options: PythonRunnersOptions;
  readonly #number: number;
  readonly #process: PythonProcess;
  readonly #calls: PythonCalls;
  #rows: readonly BatchRow[] = [];
  #answers: PromiseWithResolvers<Answer>[] = [];
  /** Keys of the batch that is executed begin here. */
  #firstKey = 1;

  constructor(options: PythonRunnersOptions, numbers: LowestFree) {
    this.#options = options;
    this.#calls = new PythonCalls(options.calls, (key) => this.#callerOf(key));
    this.#number = numbers.take() ?? 0;
    this.#process = new PythonProcess(options, {
      answered: (key, response) => this.#answered(key - this.#firstKey, response),
      called: (number, call, inputs) => this.#calls.begin(number, call, inputs, this.#process),
      controlled: (number, request) => this.#calls.control(number, request, this.#process),
      callCanceled: (number) => this.#calls.cancel(number),
      measured: options.measured,
    });
    this.incarnation = this.#process.incarnation;
    void this.#process.exited.then(() => {
      numbers.giveBack(this.#number);
      this.#calls.cancelAll();
      this.#failAll(new ServingError("UNAVAILABLE", "the process has ended", { reason: "runner_died" }));
    });
  }

  get pid(): number | undefined {
    return this.#process.pid;
  }

  get exited(): ModelRunnerHandle["exited"] {
    return this.#process.exited;
  }

  async open(_model: OpenModel, signal: AbortSignal): Promise<ModelSignature> {
    await this.#process.open(this.#options.open(this.#number), signal);
    return this.#options.signature;
  }

  async execute({ rows, outputs }: Batch): Promise<BatchResult> {
    assert(rows !== undefined, "sequences are executed row by row");
    const { clock } = this.#options;
    const startedMs = clock.now();
    this.#firstKey += this.#answers.length;
    this.#rows = rows;
    this.#answers = rows.map(() => Promise.withResolvers());
    await this.#process.execute(rows.map((row, place) => told(row, this.#firstKey + place)));
    const given = await Promise.all(this.#answers.map(({ promise }) => promise));
    const inferUs = (clock.now() - startedMs) * 1000;
    const failed = new Map<number, ServingError>();
    for (const [row, answer] of given.entries()) if (answer instanceof ServingError) failed.set(row, answer);
    const [error] = failed.values();
    if (error !== undefined && failed.size === rows.length) throw error;
    return { outputs: outputs.map((name) => this.#joined(name, given)), failed, inputUs: 0, inferUs, outputUs: 0 };
  }

  async close(): Promise<void> {
    await this.#process.close();
  }

  kill(): void {
    this.#process.kill();
  }

  #answered(place: number, response: readonly Tensor[] | ServingError | undefined): void {
    this.#answers[place]?.resolve(response ?? []);
  }

  #failAll(error: ServingError): void {
    for (const { resolve } of this.#answers) resolve(error);
  }

  /** On whose behalf another model is called: the row of that key, or any that is somebody's. */
  #callerOf(key: number | undefined): CallingRequest | undefined {
    const row = key === undefined ? undefined : this.#rows[key - this.#firstKey];
    return (row ?? this.#rows.find(({ from }) => from !== undefined))?.from;
  }

  /** The rows' parts of an output behind one another, any in place of one that failed. @throws ServingError INTERNAL when another row has none */
  #joined(name: string, given: readonly Answer[]): Tensor {
    const givenPart = (answer: Answer) => (answer instanceof ServingError ? undefined : answer.find((tensor) => tensor.name === name));
    const first = given.map(givenPart).find((part) => part !== undefined);
    const parts = given.map((answer) => (answer instanceof ServingError ? first : givenPart(answer)));
    if (first === undefined || !parts.every((part) => part !== undefined))
      throw new ServingError("INTERNAL", `the Python model gave no output '${name}'`);
    if (this.#options.maxBatchSize === 0) return first;
    return tensorOf({ ...first, shape: [parts.length, ...first.shape.slice(1)] }, parts.flatMap(partsOf));
  }
}

function told({ id, parameters, timeoutUs, inputs, outputs }: BatchRow, key: number): PythonRequest {
  return { key, id, ...backendFlags(parameters), timeoutUs, parameters, inputs, outputs };
}
