/** Triton's settings of how models are run, as a running server obeys them. */
import { expect, test } from "vitest";
import { tensor } from "../../../client/tensor-input.ts";
import { identity } from "../../models/small-models.ts";
import { startModelCluster } from "./model-cluster.ts";
import { ModelRepository } from "./model-repository.ts";

const group = (more: string) => `instance_group { count: 1 kind: KIND_CPU ${more} }`;
const needs = (count: number) => group(`rate_limiter { resources { name: "R" count: ${count} } }`);

test("counted resources, delayed schedulers and complete configurations are what they are with Triton", async () => {
  using repository = new ModelRepository();
  repository
    .put("modest", { "1/model.onnx": identity(), "config.pbtxt": `max_batch_size: 4 dynamic_batching { } ${needs(2)}` })
    .put("greedy", { "1/model.onnx": identity(), "config.pbtxt": `max_batch_size: 4 ${needs(3)}` })
    .put("bare", { "1/model.onnx": identity() });
  await using cluster = await startModelCluster(repository.folder, {
    "--nodes": "1",
    "--model-control-mode": "explicit",
    "--rate-limit": "execution_count",
    "--rate-limit-resource": "R:2",
    "--delay-scheduler": "3",
    "--disable-auto-complete-config": "true",
  });
  await expect(cluster.client.loadModel("bare")).rejects.toThrow("load failed for model 'bare'");
  const dims = `input { name: "INPUT0" data_type: TYPE_FP32 dims: [-1] } output { name: "OUTPUT0" data_type: TYPE_FP32 dims: [-1] }`;
  for (const [model, count] of [
    ["modest", 2],
    ["greedy", 3],
  ] as const)
    repository.put(model, { "config.pbtxt": `backend: "onnxruntime" max_batch_size: 4 dynamic_batching { } ${needs(count)} ${dims}` });
  await expect(cluster.client.loadModel("greedy")).rejects.toThrow(
    'Resource count for "R" is limited to 2 which will prevent scheduling of one or more model instances, the minimum required count is 3',
  );
  await cluster.client.loadModel("modest");
  const ask = (value: number) => cluster.client.infer({ model: "modest", inputs: [tensor("INPUT0", "FP32", [1, 1], [value])] });
  const answers = await Promise.all([ask(1), ask(2), ask(3)]);
  expect(answers.map((answer) => answer.output("OUTPUT0").as("FP32")[0])).toEqual([1, 2, 3]);
  expect(await cluster.statistics("modest")).toMatchObject({ inferenceCount: 3n, executionCount: 1n });
});
