/** Ensembles of a running cluster: loaded with their models, driven by Triton's client over both protocols, gone with their models. */
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { tensor } from "../../../client/tensor-input.ts";
import { ensemble, port, preprocessor, step, times } from "../../models/ensembles.ts";
import { addSub, classifier } from "../../models/small-models.ts";
import { pythonJson } from "../../support/python.ts";
import { eventually, type ModelCluster, startModelCluster } from "./model-cluster.ts";
import { ModelRepository } from "./model-repository.ts";

const SCRIPT = fileURLToPath(new URL("ensembles.py", import.meta.url));
const ONE_INSTANCE = "instance_group { count: 1 kind: KIND_CPU }";
const batched = (model: Uint8Array) => ({
  "1/model.onnx": model,
  "config.pbtxt": `max_batch_size: 8 dynamic_batching { } ${ONE_INSTANCE}`,
});

const repository = new ModelRepository();
let cluster: ModelCluster;

beforeAll(async () => {
  repository
    .put("preprocess", { "1/model.onnx": preprocessor(), "config.pbtxt": ONE_INSTANCE })
    .put("classify", {
      "1/model.onnx": classifier(48, 5),
      "config.pbtxt": `max_batch_size: 8 dynamic_batching { } ${ONE_INSTANCE} output { name: "SCORES" label_filename: "labels.txt" }`,
      "labels.txt": "ant\nbee\ncat\ndog\nelk\n",
    })
    .put("double", batched(times(2)))
    .put("triple", batched(times(3)))
    .put("sum", batched(addSub(["batch", "length"])))
    .put(
      "image",
      ensemble(
        [port("input", "IMAGE", "4, 4, 3", "TYPE_UINT8"), port("output", "SCORES", "5")],
        [step("preprocess", { PIXELS: "IMAGE" }, { FEATURES: "f" }), step("classify", { X: "f" }, { SCORES: "SCORES" })],
      ),
    )
    .put(
      "five",
      ensemble(
        [port("input", "X", "-1"), port("output", "Y", "-1")],
        [
          step("double", { IN: "X" }, { OUT: "two" }),
          step("triple", { IN: "X" }, { OUT: "three" }),
          step("sum", { INPUT0: "two", INPUT1: "three" }, { OUTPUT0: "Y" }),
        ],
      ),
    );
  cluster = await startModelCluster(repository.folder, { "--nodes": "3", "--model-control-mode": "explicit" });
});

afterAll(async () => {
  await cluster?.[Symbol.asyncDispose]();
  repository[Symbol.dispose]();
});

async function five(value: number): Promise<number | undefined> {
  const result = await cluster.client.infer({ model: "five", inputs: [tensor("X", "FP32", [1, 1], [value])] });
  return result.output("Y").as("FP32")[0];
}

const states = async () =>
  Object.fromEntries((await cluster.client.repositoryIndex()).map(({ name, state, reason }) => [name, reason ?? state ?? ""]));

describe("an ensemble", () => {
  test("brings its models along, and answers", async () => {
    await cluster.client.loadModel("five");
    expect(await states()).toMatchObject({ five: "READY", double: "READY", triple: "READY", sum: "READY", image: "", classify: "" });
    expect(await five(2)).toBe(10);
  });

  test.each(["http", "grpc"] as const)("is driven by tritonclient.%s", async (protocol) => {
    await cluster.client.loadModel("image");
    const before = Number((await cluster.statistics("five")).inferenceCount);
    const address = protocol === "http" ? cluster.url.replace("http://", "") : cluster.grpcAddress;
    expect(await pythonJson(SCRIPT, [protocol, address])).toEqual({
      ready: [true, true],
      scores: true,
      five: [[5, 10, 15]],
      platform: "ensemble",
      steps: ["double", "triple", "sum"],
      counts: [before + 1, before + 1, before + 1],
      index: ["classify", "double", "five", "image", "preprocess", "sum", "triple"],
      misfit: expect.stringContaining(
        "in ensemble 'image', [request id: <id_unknown>] unexpected shape for input 'PIXELS' for model 'preprocess'",
      ),
    });
  });

  test("classifies with the labels of the model that makes the output", async () => {
    const inputs = [tensor("IMAGE", "UINT8", [1, 4, 4, 3], new Uint8Array(48).fill(9))];
    const result = await cluster.client.infer({ model: "image", inputs, outputs: [{ name: "SCORES", classes: 5 }] });
    const labels = result
      .output("SCORES")
      .strings()
      .map((text) => text.split(":").slice(1).join(":"));
    expect(labels.toSorted()).toEqual(["0:ant", "1:bee", "2:cat", "3:dog", "4:elk"]);
  });

  test("goes on with a model of it that is loaded anew, under load", async () => {
    let stop = false;
    const wrong: unknown[] = [];
    const loop = async () => {
      while (!stop)
        await five(1).then(
          (got) => (got === 5 || got === 23 ? undefined : wrong.push(got)),
          (thrown) => wrong.push(thrown),
        );
    };
    const loops = [loop(), loop(), loop()];
    repository.put("double", { "1/model.onnx": times(20) });
    await cluster.client.loadModel("double");
    await eventually(
      () => five(1),
      (got) => got === 23,
    );
    stop = true;
    await Promise.all(loops);
    expect(wrong).toEqual([]);
  });

  test("is not ready without one of its models, says why, and comes back with it", async () => {
    await cluster.client.unloadModel("triple");
    expect(await cluster.client.isModelReady("five")).toBe(false);
    expect((await states())["five"]).toBe("ensemble five contains models that are not available or ambiguous: triple");
    await expect(five(1)).rejects.toThrow("Request for unknown model: 'five'");
    expect(await cluster.client.isReady()).toBe(true);
    await cluster.client.loadModel("triple");
    await eventually(() => cluster.client.isModelReady("five"), Boolean);
    expect(await five(1)).toBe(23);
  });

  test("takes the models along that nobody else has asked for", async () => {
    await cluster.client.unloadModel("five", { dependents: true });
    expect(await states()).toMatchObject({ five: "unloaded", sum: "unloaded", triple: "READY", double: "READY" });
    await eventually(cluster.runnerPids, (pids) => pids.length === 4);
  });
});

test("a repository with ensembles is served whole from the start", async () => {
  await using all = await startModelCluster(repository.folder, { "--nodes": "2" });
  expect(await all.client.isReady()).toBe(true);
  const result = await all.client.infer({ model: "five", inputs: [tensor("X", "FP32", [1, 1], [1])] });
  expect([...result.output("Y").as("FP32")]).toEqual([23]);
});
