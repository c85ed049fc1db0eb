/** Which models of a repository are served: from the start, as it changes, and what happens when one cannot be. */
import { expect, test } from "vitest";
import { tensor } from "../../../client/tensor-input.ts";
import { MAIN, start } from "../../engine/cli/command.ts";
import { ensemble, port, step, times } from "../../models/ensembles.ts";
import { eventually, type ModelCluster, startModelCluster } from "./model-cluster.ts";
import { ModelRepository } from "./model-repository.ts";

const scaled = (factor: number) => ({
  "1/model.onnx": times(factor),
  "config.pbtxt": "max_batch_size: 4 instance_group { count: 1 kind: KIND_CPU }",
});
const SAME = ensemble(
  [port("input", "X", "-1"), port("output", "Y", "-1")],
  [step("late", { IN: "X" }, { OUT: "Y" })],
  "max_batch_size: 4",
);

async function ask(cluster: ModelCluster, model: string, input = "IN", output = "OUT"): Promise<number | undefined> {
  const result = await cluster.client.infer({ model, inputs: [tensor(input, "FP32", [1, 1], [1])] });
  return result.output(output).as("FP32")[0];
}

const ready = async ({ client }: ModelCluster) => (await client.repositoryIndex({ ready: true })).map(({ name }) => name);

test("a repository that is polled is served as it changes, and clients may not change it", async () => {
  using repository = new ModelRepository();
  repository.put("first", scaled(2)).put("same", SAME);
  await using cluster = await startModelCluster(repository.folder, {
    "--nodes": "1",
    "--model-control-mode": "poll",
    "--repository-poll-secs": "1",
    "--exit-on-error": "false",
  });
  expect(await ready(cluster)).toEqual(["first"]);
  expect(await ask(cluster, "first")).toBe(2);
  repository.put("first", { "1/model.onnx": times(3) }).put("late", scaled(7));
  await eventually(
    () => ready(cluster),
    (names) => names.length === 3,
  );
  await eventually(
    () => ask(cluster, "first"),
    (got) => got === 3,
  );
  expect(await ask(cluster, "same", "X", "Y")).toBe(7); // it had waited for its model
  repository.remove("first");
  await eventually(
    () => ready(cluster),
    (names) => !names.includes("first"),
  );
  await expect(ask(cluster, "first")).rejects.toThrow("Request for unknown model: 'first'");
  await expect(cluster.client.loadModel("late")).rejects.toThrow("explicit model load / unload is not allowed if polling is enabled");
});

test("with explicit control the named models are there from the start, from several repositories, but for what two of them have", async () => {
  using repository = new ModelRepository();
  using other = new ModelRepository();
  repository.put("first", scaled(2)).put("second", scaled(3)).put("twice", scaled(5));
  other.put("third", scaled(4)).put("twice", scaled(6)).put("damaged", { "1/model.onnx": "no model at all" });
  await using cluster = await startModelCluster(repository.folder, {
    "--nodes": "1",
    "--model-repository": other.folder,
    "--model-control-mode": "explicit",
    "--load-model": "first;third",
    "--strict-readiness": "false",
    "--http-thread-count": "8",
  });
  const { client } = cluster;
  expect(await ready(cluster)).toEqual(["first", "third"]);
  await client.loadModel("second");
  expect(await ask(cluster, "second")).toBe(3);
  await expect(client.loadModel("twice")).rejects.toThrow("failed to load 'twice', failed to poll from model repository");
  await expect(client.loadModel("damaged")).rejects.toThrow("load failed for model 'damaged'");
  expect((await client.repositoryIndex()).filter(({ name }) => name === "twice")).toEqual([
    { name: "twice", state: "UNAVAILABLE", reason: "model appears in two or more repositories" },
  ]);
  expect(await client.isReady()).toBe(true); // readiness is not strict
  other.remove("twice");
  await client.loadModel("twice");
  expect(await ask(cluster, "twice")).toBe(5);
});

test("a start that fails names every model that could not be loaded, and why", async () => {
  using repository = new ModelRepository();
  repository
    .put("fine", scaled(2))
    .put("damaged", { "1/model.onnx": "no model at all" })
    .put("misnamed", { "1/model.onnx": times(2), "config.pbtxt": 'name: "other"' });
  await using command = start([
    MAIN,
    "up",
    "--model",
    "none",
    "--models",
    repository.folder,
    "--port",
    "0",
    "--grpc-port",
    "0",
    "--metrics-port",
    "0",
    "--nodes",
    "1",
  ]);
  const { code, stderr } = await command.ended;
  expect(code).not.toBe(0);
  expect(stderr).toContain("load failed for model 'damaged': version 1 is at UNAVAILABLE state:");
  expect(stderr).toContain("failed to load 'misnamed', failed to poll from model repository: unexpected directory name 'misnamed'");
});
