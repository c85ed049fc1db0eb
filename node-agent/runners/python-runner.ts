/** Python models with sequences: their processes as runners of batches, which they get as one request a row. */
import { assert, ServingError } from "../../core/errors.ts";
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
}

export function pythonRunners(options: PythonRunnersOptions): ModelRunnerFactory {
  const numbers = new LowestFree(Number.MAX_SAFE_INTEGER);
  return { start: () => new PythonRunner(options, numbers) };
}

class PythonRunner implements ModelRunnerHandle {
  readonly incarnation: string;
  readonly #options: PythonRunnersOptions;
  readonly #number: number;
  readonly #process: PythonProcess;
  #answers: PromiseWithResolvers<readonly Tensor[]>[] = [];
  /** Keys of the batch that is executed begin here. */
  #firstKey = 1;

  constructor(options: PythonRunnersOptions, numbers: LowestFree) {
    this.#options = options;
    this.#number = numbers.take() ?? 0;
    this.#process = new PythonProcess(options, {
      answered: (key, response) => this.#answered(key - this.#firstKey, response),
      called: (number, { model }) => {
        const message = `model '${model}' is not called: models with sequences call no others here`;
        this.#process.answerCall(number, new ServingError("UNIMPLEMENTED", message), true);
      },
      callCanceled: () => {},
      measured: options.measured,
    });
    this.incarnation = this.#process.incarnation;
    void this.#process.exited.then(() => {
      numbers.giveBack(this.#number);
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
    this.#answers = rows.map(() => Promise.withResolvers());
    const answers = Promise.all(this.#answers.map(({ promise }) => promise));
    answers.catch(() => {}); // what `execute` says comes first
    try {
      await this.#process.execute(rows.map((row, place) => told(row, this.#firstKey + place)));
    } catch (thrown) {
      this.#failAll(ServingError.from(thrown));
    }
    const given = await answers;
    const inferUs = (clock.now() - startedMs) * 1000;
    return { outputs: outputs.map((name) => this.#joined(name, given)), inputUs: 0, inferUs, outputUs: 0 };
  }

  async close(): Promise<void> {
    await this.#process.close();
  }

  kill(): void {
    this.#process.kill();
  }

  #answered(place: number, response: readonly Tensor[] | ServingError | undefined): void {
    const answer = this.#answers[place];
    if (response instanceof ServingError) answer?.reject(response);
    else answer?.resolve(response ?? []);
  }

  #failAll(error: ServingError): void {
    for (const { promise, reject } of this.#answers) {
      promise.catch(() => {}); // told once, by all of them together
      reject(error);
    }
  }

  /** The rows' parts of an output behind one another. @throws ServingError INTERNAL when a row has none */
  #joined(name: string, given: readonly (readonly Tensor[])[]): Tensor {
    const parts = given.map((tensors) => tensors.find((tensor) => tensor.name === name));
    const [first] = parts;
    if (first === undefined || !parts.every((part) => part !== undefined))
      throw new ServingError("INTERNAL", `the Python model gave no output '${name}'`);
    if (this.#options.maxBatchSize === 0) return first;
    return tensorOf({ ...first, shape: [parts.length, ...first.shape.slice(1)] }, parts.flatMap(partsOf));
  }
}

function told({ id, parameters, timeoutUs, inputs, outputs }: BatchRow, key: number): PythonRequest {
  return { key, id, ...backendFlags(parameters), timeoutUs, parameters, inputs, outputs };
}
