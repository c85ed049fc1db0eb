/** `nereid models validate --open` as people run it: what ONNX Runtime says of their models, before any server does. */
import { expect, test } from "vitest";
import { ModelRepository } from "../../cluster/whole-models/model-repository.ts";
import { OnnxModel } from "../../models/onnx-model.ts";
import { identity } from "../../models/small-models.ts";
import { MAIN, run } from "./command.ts";

const FOREIGN = new OnnxModel()
  .input("X", "f32", [2])
  .output("Y", "f32", [2])
  .node({ op: "Frobnicate", inputs: ["X"], outputs: ["Y"] })
  .finish();
const WARM = `max_batch_size: 4 instance_group { count: 1 kind: KIND_CPU }
  model_warmup { name: "w" batch_size: 2 inputs { key: "INPUT0" value { data_type: TYPE_FP32 dims: 3 random_data: true } } }`;

test("models are opened and warmed up as by a load, and the ones that ONNX Runtime cannot run are named with what helps", async () => {
  using repository = new ModelRepository();
  repository
    .put("good", { "1/model.onnx": identity(), "config.pbtxt": WARM })
    .put("foreign", { "1/model.onnx": FOREIGN })
    .put("future", { "1/model.onnx": futureFormat() });
  const { code, stdout, stderr } = await run([MAIN, "models", "validate", "--open", repository.folder], {});
  expect([code, stderr]).toEqual([1, "nereid: 2 of 3 model folders have problems\n"]);
  expect(stdout).toMatch(/good: fine, version 1\n/);
  expect(stdout).toMatch(/foreign: has problems, version 1\n.*No Op registered for Frobnicate.*; export the model with operators that/);
  expect(stdout).toMatch(/future: has problems, version 1\n.*Unsupported model IR version: 99, .*; export the model with an older version/);
});

/** Says that it has a format of years to come. */
function futureFormat(): Uint8Array {
  const bytes = new Uint8Array(identity());
  bytes[1] = 99; // the first field is ir_version
  return bytes;
}
