/** Warm-up samples are the batches that requests of their shapes would make. */
import { describe, expect, test } from "vitest";
import { enginePlan } from "../../../../node-agent/models/engine-plan.ts";
import { warmUpBatches } from "../../../../node-agent/models/warm-up-batches.ts";
import { addSub, failing, identity } from "../../../models/small-models.ts";
import { configured } from "./configured.ts";

const input = (name: string, dtype: string, dims: string, data: string) =>
  `inputs { key: "${name}" value { data_type: ${dtype} dims: [${dims}] ${data} } }`;
const sample = (inputs: string, fields = "batch_size: 1") => `model_warmup { name: "s" ${fields} ${inputs} }`;

async function warmUps(model: Uint8Array, text: string, files: Readonly<Record<string, string | Uint8Array>> = {}) {
  const { configuration, files: all } = await configured(model, text, files);
  return await warmUpBatches(configuration, enginePlan(configuration, { startAfter: 0 }), all);
}

describe("a warm-up sample", () => {
  test("of a model that takes batches is as many requests of one row", async () => {
    const zeros = new Uint8Array(12);
    expect(await warmUps(identity(), sample(input("INPUT0", "TYPE_FP32", "3", "zero_data: true"), "batch_size: 2 count: 5"))).toEqual([
      {
        name: "s",
        count: 5,
        batch: { inputs: [{ head: { name: "INPUT0", dtype: "FP32", shape: [2, 3] }, parts: [zeros, zeros] }], outputs: ["OUTPUT0"] },
      },
    ]);
  });

  test("of a model that takes none is one request as it is", async () => {
    const inputs = ["INPUT0", "INPUT1"].map((name) => input(name, "TYPE_FP32", "4", "zero_data: true")).join(" ");
    const [warmUp] = await warmUps(addSub(), sample(inputs, "batch_size: 1"));
    expect(warmUp?.batch.inputs.map(({ head }) => head.shape)).toEqual([[4], [4]]);
  });

  test("is reshaped as requests are", async () => {
    const [warmUp] = await warmUps(failing(), sample(input("INDEX", "TYPE_INT64", "1", "zero_data: true"), "batch_size: 3"));
    expect(warmUp?.batch.inputs[0]?.head.shape).toEqual([3]);
  });

  test("brings the tensors along that a batch adds", async () => {
    const text = `max_batch_size: 4 input { name: "INPUT0" data_type: TYPE_INT32 dims: [-1] allow_ragged_batch: true }
      batch_input { kind: BATCH_ACCUMULATED_ELEMENT_COUNT target_name: "INPUT1" data_type: TYPE_INT32 source_input: "INPUT0" }
      ${sample(input("INPUT0", "TYPE_INT32", "3", "zero_data: true"), "batch_size: 2")}`;
    const [warmUp] = await warmUps(addSub(["n"], "i32"), text);
    expect(warmUp?.batch.inputs.map(({ head }) => [head.name, head.shape])).toEqual([
      ["INPUT0", [6]],
      ["INPUT1", [2]],
    ]);
  });

  test("of random data is the same at every start, and no zeros", async () => {
    const text = sample(input("INPUT0", "TYPE_FP32", "64", "random_data: true"));
    const [first, second] = [await warmUps(identity(), text), await warmUps(identity(), text)];
    expect(first).toEqual(second);
    expect(first[0]?.batch.inputs[0]?.parts[0]?.some((byte) => byte !== 0)).toBe(true);
  });

  test.each(["zero_data: true", "random_data: true"])("of strings with %s has empty ones", async (data) => {
    const [warmUp] = await warmUps(identity("string"), sample(input("INPUT0", "TYPE_STRING", "2", data)));
    expect(warmUp?.batch.inputs[0]?.parts).toEqual([new Uint8Array(8)]);
  });

  test("takes as much of its file as it needs", async () => {
    const text = sample(input("INPUT0", "TYPE_UINT8", "3", 'input_data_file: "raw"'));
    const [warmUp] = await warmUps(identity("u8"), text, { "warmup/raw": Uint8Array.of(1, 2, 3, 4) });
    expect(warmUp?.batch.inputs[0]?.parts).toEqual([Uint8Array.of(1, 2, 3)]);
  });

  test("of strings takes all of its file", async () => {
    const text = sample(input("INPUT0", "TYPE_STRING", "1", 'input_data_file: "raw"'));
    const [warmUp] = await warmUps(identity("string"), text, { "warmup/raw": Uint8Array.of(1, 0, 0, 0, 65) });
    expect(warmUp?.batch.inputs[0]?.parts).toEqual([Uint8Array.of(1, 0, 0, 0, 65)]);
  });

  test("of batch size 0 is skipped", async () => {
    expect(await warmUps(identity(), sample(input("INPUT0", "TYPE_FP32", "3", "zero_data: true"), "batch_size: 0"))).toEqual([]);
  });

  test("is refused when its file is absent or too short", async () => {
    const text = sample(input("INPUT0", "TYPE_UINT8", "3", 'input_data_file: "raw"'));
    await expect(warmUps(identity("u8"), text)).rejects.toThrow(
      "warm-up file 'warmup/raw' for input 'INPUT0' is not in the model's folder",
    );
    await expect(warmUps(identity("u8"), text, { "warmup/raw": Uint8Array.of(1, 2) })).rejects.toThrow(
      "warmup setting expects 3 bytes, but the data provided from warmup/rawonly has 2 bytes",
    );
  });
});
