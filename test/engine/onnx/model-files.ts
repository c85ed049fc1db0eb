/** Model files in a folder of their own, and runner processes that open them. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import type { Logger } from "../../../core/telemetry/logger.ts";
import type { ModelRunnerFactory, ModelRunnerHandle, ModelSignature, OpenModel } from "../../../core/wire/model-runner.ts";
import { modelProcesses } from "../../../node-agent/runners/model-process.ts";

export const NEVER = new AbortController().signal;
export const QUIET: Logger = { debug() {}, info() {}, warn() {}, error() {}, child: () => QUIET };

export class ModelFiles implements AsyncDisposable {
  readonly factory: ModelRunnerFactory = modelProcesses({ logger: QUIET });
  readonly #folder = mkdtempSync(path.join(tmpdir(), "nereid-models-"));
  readonly #runners: ModelRunnerHandle[] = [];
  #files = 0;

  write(bytes: Uint8Array): OpenModel {
    const file = path.join(this.#folder, `${this.#files++}.onnx`);
    writeFileSync(file, bytes);
    return {
      file,
      intraThreads: 1,
      interThreads: 1,
      optimization: 99,
      execution: "sequential",
      memoryArena: true,
      memoryPattern: true,
      configEntries: {},
    };
  }

  /** A runner that has opened this model; it is closed with the files. */
  async open(
    bytes: Uint8Array,
    options: Partial<OpenModel> = {},
  ): Promise<{ readonly runner: ModelRunnerHandle; readonly signature: ModelSignature }> {
    const runner = this.factory.start();
    this.#runners.push(runner);
    const signature = await runner.open({ ...this.write(bytes), ...options }, NEVER);
    return { runner, signature };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#runners.map((runner) => runner.close()));
    rmSync(this.#folder, { recursive: true });
  }
}
