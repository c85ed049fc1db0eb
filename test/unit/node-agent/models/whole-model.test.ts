/** A version of a model on a node: it opens as configured or says why not, serves, and goes without dropping anything. */
import { describe, expect, test } from "vitest";
import { ServingError } from "../../../../core/errors.ts";
import { parsePublishedModel } from "../../../../core/model/published-model.ts";
import { HostedModels, MODEL, ONE_INSTANCE } from "./hosted-models.ts";

describe("a load", () => {
  test("ends with a model that serves, and whose view is found by the digest that it reports", async () => {
    await using node = new HostedModels();
    node.put("m", { "1/model.onnx": MODEL, "config.pbtxt": `max_batch_size: 8 ${ONE_INSTANCE}` });
    const replica = node.load("m");
    expect(node.states()).toEqual(["m/1/1 loading"]);
    await node.untilStates("m/1/1 ready");
    const state = node.models.get(replica)?.state;
    const view = state?.kind === "ready" ? node.models.view(state.view) : undefined;
    expect(parsePublishedModel(view ?? new Uint8Array(0))).toMatchObject({
      name: "m",
      version: "1",
      maxBatchSize: 8,
      inputs: [{ name: "X", shape: [-1, 1] }],
    });
    const outcome = node.infer(replica, 1, 2);
    await node.until(() => outcome.came !== undefined);
    expect(outcome.came).toBe("answered 1,2");
    expect(node.models.get(replica)?.statistics()).toMatchObject({
      model: "m",
      version: "1",
      inferenceCount: 2,
      executionCount: 1,
      batches: [{ size: 2 }],
    });
  });

  test("opens the version's own file, with the threads and instances of its configuration", async () => {
    await using node = new HostedModels();
    const parameters = 'parameters { key: "intra_op_thread_count" value { string_value: "3" } }';
    node.put("m", {
      "1/model.onnx": MODEL,
      "2/model.onnx": MODEL,
      "config.pbtxt": `version_policy { all { } } instance_group { count: 3 kind: KIND_CPU } ${parameters}`,
    });
    node.load("m", { version: "2" });
    await node.untilStates("m/2/1 ready");
    expect(node.runners.alive).toHaveLength(3);
    for (const { model } of node.runners.alive)
      expect(model).toMatchObject({ file: expect.stringMatching(/m\/2\/model\.onnx$/), intraThreads: 3 });
  });

  test("has the server's threads where its configuration does not set them", async () => {
    await using node = new HostedModels({}, { parameters: new Map([["intra_op_thread_count", "2"]]) });
    const own = 'parameters { key: "intra_op_thread_count" value { string_value: "3" } }';
    node.put("said", { "1/model.onnx": MODEL, "config.pbtxt": `${ONE_INSTANCE} ${own}` });
    node.put("unsaid", { "1/model.onnx": MODEL, "config.pbtxt": ONE_INSTANCE });
    node.load("said");
    await node.untilStates("said/1/1 ready");
    node.load("unsaid");
    await node.untilStates("said/1/1 ready", "unsaid/1/1 ready");
    expect(node.runners.alive.map(({ model }) => model?.intraThreads)).toEqual([3, 2]);
  });

  test("with a configuration of its own goes by that", async () => {
    await using node = new HostedModels();
    node.put("m", { "1/model.onnx": MODEL, "config.pbtxt": "instance_group { count: 5 kind: KIND_CPU }" });
    node.load("m", { config: '{"instance_group":[{"count":1,"kind":"KIND_CPU"}]}' });
    await node.untilStates("m/1/1 ready");
    expect(node.runners.alive).toHaveLength(1);
  });

  test.each([
    ["there is no such model", "absent", {}, "there is no model 'absent' in the repository"],
    ["there is no such version", "m", { "2/model.onnx": MODEL }, /version 1/],
    [
      "the configuration is wrong",
      "m",
      { "1/model.onnx": MODEL, "config.pbtxt": "max_batch_size: -1" },
      /'max_batch_size' must be non-negative/,
    ],
    ["the file is damaged", "m", { "1/model.onnx": "damaged" }, /1\/model\.onnx: no ONNX model/],
    [
      "the label file is missing",
      "m",
      { "1/model.onnx": MODEL, "config.pbtxt": 'output { name: "Y" label_filename: "labels" }' },
      /label file 'labels' is not in/,
    ],
    ["it asks for what is not served", "m", { "1/model.pt": "", "config.pbtxt": 'backend: "pytorch"' }, /models here are ONNX files/],
  ])("fails when %s, before a process is started", async (_, model, files: Readonly<Record<string, Uint8Array | string>>, reason) => {
    await using node = new HostedModels();
    if (Object.keys(files).length > 0) node.put(model, files);
    const replica = node.load(model);
    await node.untilStates(`${replica} failed`);
    expect(node.reason(replica)).toMatch(reason);
    expect(node.runners.runners).toEqual([]);
  });

  test("fails with the runtime's words, and leaves no process behind", async () => {
    await using node = new HostedModels();
    node.put("m", { "1/model.onnx": MODEL, "config.pbtxt": "instance_group { count: 3 kind: KIND_CPU }" });
    node.runners.openFailures = [new ServingError("INVALID_ARGUMENT", "no such operator")];
    const replica = node.load("m");
    await node.untilStates("m/1/1 failed");
    expect(node.reason(replica)).toBe("Invalid argument: no such operator");
    expect(node.runners.alive).toEqual([]);
  });

  test("fails when a warm-up sample does", async () => {
    await using node = new HostedModels({
      compute: () => {
        throw new ServingError("INTERNAL", "too cold");
      },
    });
    const warmUp = 'model_warmup { name: "s" batch_size: 1 inputs { key: "X" value { data_type: TYPE_INT32 dims: [1] zero_data: true } } }';
    node.put("m", { "1/model.onnx": MODEL, "config.pbtxt": `${ONE_INSTANCE} ${warmUp}` });
    const replica = node.load("m");
    await node.untilStates("m/1/1 failed");
    expect(node.reason(replica)).toBe("Internal: failed to run warmup sample 's': too cold");
    expect(node.runners.alive).toEqual([]);
  });
});

describe("an unload", () => {
  test("answers what is here first, takes nothing new, and then ends the processes", async () => {
    await using node = new HostedModels({ runMs: () => 100 });
    node.put("m", { "1/model.onnx": MODEL, "config.pbtxt": `max_batch_size: 1 ${ONE_INSTANCE}` });
    const replica = node.load("m");
    await node.untilStates("m/1/1 ready");
    const outcomes = [1, 2, 3].map((value) => node.infer(replica, value));
    node.models.unload(replica);
    expect(node.states()).toEqual(["m/1/1 draining"]);
    expect(() => node.infer(replica, 4)).toThrow("takes no requests");
    await node.clock.pass(250);
    expect(outcomes.map(({ came }) => came)).toEqual(["answered 1", "answered 2", undefined]);
    expect(node.runners.alive).toHaveLength(1);
    await node.clock.pass(100);
    await node.untilStates();
    expect(outcomes[2]?.came).toBe("answered 3");
    expect(node.runners.alive).toEqual([]);
  });

  test("of a model that is being opened does not wait for it", async () => {
    await using node = new HostedModels({ openMs: 3_600_000 });
    node.put("m", { "1/model.onnx": MODEL });
    const replica = node.load("m");
    await node.until(() => node.runners.alive.length === 2);
    node.models.unload(replica);
    await node.untilStates();
    expect(node.runners.alive).toEqual([]);
  });

  test("of a failed model only forgets it", async () => {
    await using node = new HostedModels();
    node.put("m", { "1/model.onnx": "damaged" });
    const replica = node.load("m");
    await node.untilStates("m/1/1 failed");
    node.models.unload(replica);
    await node.untilStates();
  });
});

test("a process that dies is counted for its model, and another one takes its place", async () => {
  await using node = new HostedModels();
  node.put("m", { "1/model.onnx": MODEL, "config.pbtxt": ONE_INSTANCE });
  const replica = node.load("m");
  await node.untilStates("m/1/1 ready");
  node.runners.alive[0]?.kill();
  await node.clock.pass(1_000);
  expect(node.restarts).toEqual(["m"]);
  const outcome = node.infer(replica, 5);
  await node.until(() => outcome.came !== undefined);
  expect(outcome.came).toBe("answered 5");
});

test("answers are kept for models that are configured so, and for no others", async () => {
  await using node = new HostedModels();
  for (const [model, config] of [
    ["kept", "response_cache { enable: true }"],
    ["fresh", ""],
  ] as const)
    node.put(model, { "1/model.onnx": MODEL, "config.pbtxt": `${ONE_INSTANCE} ${config}` });
  const replicas = [node.load("kept"), node.load("fresh")];
  await node.untilStates("kept/1/1 ready", "fresh/1/1 ready");
  for (const replica of replicas)
    for (let time = 0; time < 2; time++) {
      const outcome = node.infer(replica, 9);
      await node.until(() => outcome.came !== undefined);
      expect(outcome.came).toBe("answered 9");
    }
  expect(replicas.map((replica) => node.models.get(replica)?.statistics()?.cacheHit[0])).toEqual([1, 0]);
  expect(replicas.map((replica) => node.models.get(replica)?.statistics()?.executionCount)).toEqual([1, 2]);
});
