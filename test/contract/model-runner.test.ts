/** The contract of model runners on scripted ones. */
import { describe } from "vitest";
import { systemClock } from "../../core/clock.ts";
import { ServingError } from "../../core/errors.ts";
import type { ModelSignature, OpenModel } from "../../core/wire/model-runner.ts";
import { ScriptedModelRunners } from "../support/scripted/scripted-model-runner.ts";
import { modelRunnerContract } from "./model-runner.ts";

const model: OpenModel = {
  file: "/scripted/model.onnx",
  intraThreads: 1,
  interThreads: 1,
  optimization: 99,
  execution: "sequential",
  memoryArena: true,
  memoryPattern: true,
  configEntries: {},
};

const signature: ModelSignature = {
  inputs: [
    { name: "x", dtype: "FP32", shape: [-1, 4], optional: false },
    { name: "text", dtype: "BYTES", shape: [-1], optional: false },
  ],
  outputs: [
    { name: "y", dtype: "FP32", shape: [-1, 4], optional: false },
    { name: "echo", dtype: "BYTES", shape: [-1], optional: false },
  ],
};

describe("scripted", () =>
  modelRunnerContract(async () => {
    const slow = { ...model, file: "/scripted/slow.onnx" };
    const factory = new ScriptedModelRunners({
      clock: systemClock,
      signature,
      runMs: (_, runner) => (runner.model === slow ? 60_000 : 0),
    });
    return {
      factory,
      model,
      slow,
      openBroken(runner, signal) {
        factory.openFailures.push(new ServingError("NOT_FOUND", "no such model"));
        return runner.open(model, signal);
      },
      [Symbol.asyncDispose]: async () => {},
    };
  }));
