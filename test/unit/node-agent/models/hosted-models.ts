/** A node's whole models over scripted runners, a repository in a folder, and a clock that the test moves. */

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import type { InferSubmit } from "../../../../core/messages/infer.ts";
import { seededRandom } from "../../../../core/random.ts";
import { type ConfigReading, ModelSources } from "../../../../core/repository/model-sources.ts";
import type { Tensor } from "../../../../core/tensor/tensor.ts";
import { Gateways } from "../../../../node-agent/calls/gateways.ts";
import { WholeModels } from "../../../../node-agent/models/whole-models.ts";
import { ResponseCache } from "../../../../node-agent/scheduling/response-cache.ts";
import { OnnxModel } from "../../../models/onnx-model.ts";
import { FakeClock } from "../../../support/fake-clock.ts";
import { type ScriptedModelOptions, ScriptedModelRunners } from "../../../support/scripted/scripted-model-runner.ts";
import { QUIET } from "../engines/batch/batch-world.ts";

/** Gives INT32 X [-1, 1] back as Y. */
export const MODEL = new OnnxModel()
  .input("X", "i32", ["batch", 1])
  .output("Y", "i32", ["batch", 1])
  .node({ op: "Identity", inputs: ["X"], outputs: ["Y"] })
  .finish();
export const ONE_INSTANCE = "instance_group { count: 1 kind: KIND_CPU }";

const port = (name: string) => ({ name, dtype: "INT32", shape: [-1, 1], optional: false }) as const;

export class HostedModels implements AsyncDisposable {
  readonly clock = new FakeClock();
  readonly runners: ScriptedModelRunners;
  readonly models: WholeModels;
  /** Models whose runner died. */
  readonly restarts: string[] = [];
  readonly #folder = mkdtempSync(path.join(tmpdir(), "nereid-hosted-"));

  constructor(script: Partial<ScriptedModelOptions> = {}, reading: ConfigReading = {}) {
    this.runners = new ScriptedModelRunners({ clock: this.clock, signature: { inputs: [port("X")], outputs: [port("Y")] }, ...script });
    const [repositoryFolder, uploadsFolder] = [path.join(this.#folder, "repository"), path.join(this.#folder, "uploads")];
    this.models = new WholeModels({
      gateways: new Gateways(),
      sources: new ModelSources({ repositoryFolders: [repositoryFolder], uploadsFolder, random: seededRandom(1n), reading }),
      runners: this.runners,
      clock: this.clock,
      logger: QUIET,
      cache: new ResponseCache(1_000),
      startAfter: 0,
      onRestart: (model) => this.restarts.push(model),
    });
  }

  put(model: string, files: Readonly<Record<string, Uint8Array | string>>): void {
    for (const [name, content] of Object.entries(files)) {
      const file = path.join(this.#folder, "repository", model, name);
      mkdirSync(path.dirname(file), { recursive: true });
      writeFileSync(file, content);
    }
  }

  /** @returns the replica */
  load(model: string, { version = "1", number = 1, config = "" } = {}): string {
    const replica = `${model}/${version}/${number}`;
    this.models.load({ kind: "load-model", replica, model, version, source: "", config });
    return replica;
  }

  states(): readonly string[] {
    return this.models.report().map(({ replica, state }) => `${replica} ${state.kind}`);
  }

  reason(replica: string): string | undefined {
    const state = this.models.get(replica)?.state;
    return state?.kind === "failed" ? state.reason : undefined;
  }

  /** Files are read in real time: looks again until it is so. */
  async until(isSo: () => boolean): Promise<void> {
    while (!isSo()) await this.clock.pass(0);
  }

  untilStates(...wanted: readonly string[]): Promise<void> {
    return this.until(() => this.states().join() === wanted.join());
  }

  /** @returns what came, later: `answered 1,2` or `failed WHY` */
  infer(replica: string, ...values: readonly number[]): { came: string | undefined } {
    const outcome: { came: string | undefined } = { came: undefined };
    const engine = this.models.get(replica)?.engine;
    if (engine === undefined) throw new Error(`${replica} takes no requests`);
    engine.infer(submit(replica, values), {
      answered: (outputs) => {
        outcome.came = `answered ${outputs.flatMap(valuesOf).join()}`;
      },
      failed: ({ message }) => {
        outcome.came = `failed ${message}`;
      },
    });
    return outcome;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    let closed = false;
    const closing = this.models[Symbol.asyncDispose]().finally(() => {
      closed = true;
    });
    // Not only while runners are alive: one whose files are being read now may start yet.
    while (!closed) await this.clock.pass(1);
    await closing;
    rmSync(this.#folder, { recursive: true });
  }
}

const valuesOf = ({ data }: Tensor): readonly number[] => [...new Int32Array(new Uint8Array(data).buffer)];

function submit(replica: string, values: readonly number[]): InferSubmit {
  const data = new Uint8Array(Int32Array.from(values).buffer);
  return {
    kind: "infer",
    replica,
    tenant: "",
    id: "",
    remainingMs: undefined,
    traceparent: "",
    priority: 0,
    queueTimeoutUs: 0,
    parameters: new Map(),
    inputs: [{ name: "X", dtype: "INT32", shape: [values.length, 1], data }],
    outputs: [],
  };
}
