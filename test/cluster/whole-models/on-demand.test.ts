/** Models that nobody has loaded: the first request does, over every protocol, and the ones behind it wait with it. */
import { symlinkSync } from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { GrpcClient } from "../../../client/grpc/grpc-client.ts";
import { tensor } from "../../../client/tensor-input.ts";
import { addSub } from "../../models/small-models.ts";
import { realModelFolder } from "../../support/real-model.ts";
import { complete } from "../completion-client.ts";
import { eventually, type ModelCluster, startModelCluster } from "./model-cluster.ts";
import { ModelRepository } from "./model-repository.ts";

const repository = new ModelRepository();
let cluster: ModelCluster;

beforeAll(async () => {
  for (const name of ["one", "two", "three"]) repository.put(name, { "1/model.onnx": addSub([2], "i32") });
  repository.put("damaged", { "1/model.onnx": "no model at all" });
  symlinkSync(realModelFolder(), path.join(repository.folder, "chat"));
  cluster = await startModelCluster(repository.folder, { "--model-control-mode": "on-demand" });
});
afterAll(async () => {
  await cluster?.[Symbol.asyncDispose]();
  repository[Symbol.dispose]();
});

const inputs = [tensor("INPUT0", "INT32", [2], [1, 2]), tensor("INPUT1", "INT32", [2], [10, 20])];
const ready = async () => (await cluster.client.repositoryIndex()).filter(({ state }) => state === "READY").map(({ name }) => name);

describe("on demand", () => {
  test("nothing is loaded at the start, and the server is ready", async () => {
    expect(await ready()).toEqual([]);
    expect(await cluster.client.isReady()).toBe(true);
  });

  test("ten requests at once for a model that is not there are all answered, by one load of it", async () => {
    const results = await Promise.all(Array.from({ length: 10 }, () => cluster.client.infer({ model: "one", inputs })));
    for (const result of results) expect([...result.output("OUTPUT0").as("INT32")]).toEqual([11, 22]);
    expect(await ready()).toEqual(["one"]);
    expect((await cluster.statistics("one")).inferenceCount).toBe(10n);
  });

  test("a request over gRPC loads its model, too", async () => {
    const client = new GrpcClient(cluster.grpcAddress);
    const result = await client.infer({ model: "two", inputs });
    expect([...result.output("OUTPUT0").as("INT32")]).toEqual([11, 22]);
    await client.close();
  });

  test("a completion loads its language model, too", async () => {
    const { text } = await complete(cluster.url, { model: "chat", prompt: "The sea is", max_tokens: 4, temperature: 0 });
    expect(text.length).toBeGreaterThan(0);
    expect(await ready()).toEqual(["chat", "one", "two"]);
  });

  test("what is not in the repository is not found, as ever; what cannot be loaded says why", async () => {
    await expect(cluster.client.infer({ model: "nobody", inputs })).rejects.toMatchObject({
      message: "Request for unknown model: 'nobody' is not found",
    });
    await expect(cluster.client.infer({ model: "damaged", inputs })).rejects.toThrow("load failed for model 'damaged'");
  });

  test("an unloaded model comes back with the next request", async () => {
    await cluster.client.unloadModel("one");
    await eventually(ready, (names) => !names.includes("one"));
    const result = await cluster.client.infer({ model: "one", inputs });
    expect([...result.output("OUTPUT0").as("INT32")]).toEqual([11, 22]);
  });
});
