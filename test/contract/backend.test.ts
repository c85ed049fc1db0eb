import { describe } from "vitest";
import { ServingError } from "../../core/errors.ts";
import { draftConfig, finishConfig } from "../../core/model/config/prepare.ts";
import type { Tensor } from "../../core/tensor/tensor.ts";
import { builtInBackend } from "../../node-agent/backends/built-in-backends.ts";
import { REPEAT, SQUARE } from "../models/sample-backends.ts";
import { FakeClock, turns } from "../support/fake-clock.ts";
import { type BackendWorld, backendContract } from "./backend.ts";

const CANCELED = new ServingError("CANCELLED", "nobody wants it");

const numbers = (name: string, dtype: "INT32" | "UINT32", values: readonly number[]): Tensor => ({
  name,
  dtype,
  shape: [values.length],
  data: new Uint8Array(Int32Array.from(values).buffer),
});

async function world(name: string, config: string, asks: BackendWorld["asks"]): Promise<BackendWorld> {
  const draft = draftConfig({ name, files: ["config.pbtxt"] }, { kind: "file", name: "config.pbtxt", text: config });
  const { configuration } = finishConfig(draft, { signature: undefined });
  const clock = new FakeClock();
  const backend = builtInBackend(name, { clock });
  if (configuration === undefined || backend === undefined) throw new Error(`${name} cannot be served`);
  return {
    backend,
    model: { configuration, version: "1", configJson: "{}", file: "", warmUps: [] },
    output: "OUT",
    asks,
    settle: () => turns(),
    [Symbol.asyncDispose]: async () => {},
  };
}

describe("repeat", () => {
  backendContract(
    () =>
      world("repeat", REPEAT, (answers) => [
        numbers("IN", "INT32", Array(answers).fill(7)),
        numbers("DELAY", "UINT32", Array(answers).fill(0)),
        numbers("WAIT", "UINT32", [0]),
      ]),
    CANCELED,
  );
});

describe("square", () => {
  backendContract(() => world("square", SQUARE, (answers) => [numbers("IN", "INT32", [answers])]), CANCELED);
});
