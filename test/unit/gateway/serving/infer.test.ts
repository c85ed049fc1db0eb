/** An inference finds a node that runs it, is run once, and is told clearly when nobody runs it. */
import { describe, expect, test } from "vitest";
import { POISON_REQUEST } from "../../../../core/errors.ts";
import type { PublishedModel } from "../../../../core/model/published-model.ts";
import { turns } from "../../../support/fake-clock.ts";
import { inferOf, type ModelRig, modelRig, NEVER, pair, published, spec } from "./model-rig.ts";

const executed = (rig: ModelRig, nodes: number) => Array.from({ length: nodes }, (_, node) => rig.agent(node).inferences.length);

describe("an inference", () => {
  test("comes back from the node that hosts the model, with its name and version", async () => {
    await using rig = await modelRig();
    rig.host(0, published("m"));
    await rig.beat();
    const answer = await rig.inference.infer(inferOf("m", { id: "a", priority: 2, timeoutUs: 5 }), NEVER);
    expect(answer).toMatchObject({ model: "m", version: "1", outputs: [{ name: "OUTPUT0", shape: [1, 2], data: pair([7, 8]).data }] });
    expect(rig.agent(0).inferences).toMatchObject([{ replica: "m/1/1", id: "a", priority: 2, queueTimeoutUs: 5, remainingMs: undefined }]);
  });

  test("brings along the parameters that the model has given to its answer", async () => {
    await using rig = await modelRig();
    rig.host(0, published("m"));
    await rig.beat();
    const parameters = new Map<string, string | bigint>([
      ["language", "de"],
      ["tokens", 7n],
    ]);
    expect((await rig.inference.infer(inferOf("m", { parameters }), NEVER)).parameters).toEqual(parameters);
    expect((await rig.inference.infer(inferOf("m"), NEVER)).parameters).toEqual(new Map());
  });

  test("without a version goes to the highest that is ready, with one to that", async () => {
    await using rig = await modelRig();
    for (const version of ["2", "10", "9"]) rig.host(0, published("m", version));
    await rig.beat();
    expect((await rig.inference.infer(inferOf("m"), NEVER)).version).toBe("10");
    expect((await rig.inference.infer(inferOf("m", { version: 2 }), NEVER)).version).toBe("2");
  });

  test("larger than the bus carries goes over the link and comes back whole", async () => {
    await using rig = await modelRig();
    rig.host(0, published("m", "1", { maxBatchSize: 0, inputs: [spec("INPUT0", { shape: [-1] })] }));
    await rig.beat();
    const data = Buffer.from(Int32Array.from({ length: 300_000 }, (_, index) => index).buffer);
    const { outputs } = await rig.inference.infer(inferOf("m", { inputs: [pair([0, 0], { shape: [300_000], data })] }), NEVER);
    expect(data.equals(outputs[0]?.data ?? new Uint8Array(0))).toBe(true);
  });

  test("that does not fit the model is refused here and sent nowhere", async () => {
    await using rig = await modelRig();
    rig.host(0, published("m"));
    await rig.beat();
    const bad = rig.inference.infer(inferOf("m", { inputs: [pair([1, 2], { name: "OTHER" })] }), NEVER);
    await expect(bad).rejects.toMatchObject({ code: "INVALID_ARGUMENT", message: "unexpected inference input 'OTHER' for model 'm'" });
    expect(rig.agent(0).inferences).toEqual([]);
  });

  test("of a decoupled model is refused: it takes a stream", async () => {
    await using rig = await modelRig();
    rig.host(0, published("m", "1", { decoupled: true }));
    await rig.beat();
    await expect(rig.inference.infer(inferOf("m"), NEVER)).rejects.toMatchObject({ code: "UNIMPLEMENTED", reason: "decoupled" });
  });

  test("that the model fails on is told with the node's words, and is tried nowhere else", async () => {
    await using rig = await modelRig(2);
    for (const node of [0, 1]) rig.host(node, published("m"), { replica: `m/1/1` });
    rig.agent(0).policy = { failed: "out of bounds" };
    rig.agent(1).policy = { failed: "out of bounds" };
    await rig.beat();
    await expect(rig.inference.infer(inferOf("m"), NEVER)).rejects.toMatchObject({ code: "INTERNAL", message: "out of bounds" });
    expect(executed(rig, 2).reduce((sum, count) => sum + count)).toBe(1);
  });
});

describe("a request that ends the processes that run it", () => {
  test("is tried on one node, then refused here for ten minutes; others are not", async () => {
    await using rig = await modelRig(2);
    for (const node of [0, 1]) rig.host(node, published("m"));
    for (const node of [0, 1]) rig.agent(node).policy = { failed: "2 processes died", reason: POISON_REQUEST };
    await rig.beat();
    const [poison, other] = [inferOf("m", { inputs: [pair([6, 6])] }), inferOf("m")];
    await expect(rig.inference.infer(poison, NEVER)).rejects.toMatchObject({ message: "2 processes died" });
    for (const node of [0, 1]) rig.agent(node).policy = "echo";
    await expect(rig.inference.infer({ ...poison, id: "again" }, NEVER)).rejects.toMatchObject({
      code: "INTERNAL",
      reason: POISON_REQUEST,
      message: "this request has ended processes of model 'm' that ran it: it is refused for 10 minutes",
    });
    expect(executed(rig, 2).reduce((sum, count) => sum + count)).toBe(1);
    expect((await rig.inference.infer(other, NEVER)).outputs).toHaveLength(1);
    await rig.clock.pass(600_000);
    await rig.beat();
    expect((await rig.inference.infer(poison, NEVER)).outputs).toHaveLength(1);
  });
});

describe("the choice of a node", () => {
  test("takes the node that says it has less to do", async () => {
    await using rig = await modelRig(2);
    rig.host(0, published("m"), { inFlight: 1, queued: 4 });
    rig.host(1, published("m"), { inFlight: 2 });
    await rig.beat();
    await rig.inference.infer(inferOf("m"), NEVER);
    expect(executed(rig, 2)).toEqual([0, 1]);
  });

  test("passes over a node that refuses: it has not run anything", async () => {
    await using rig = await modelRig(2);
    rig.host(0, published("m"));
    rig.host(1, published("m"), { inFlight: 3 });
    rig.agent(0).policy = "refuse";
    await rig.beat();
    expect((await rig.inference.infer(inferOf("m"), NEVER)).outputs).toHaveLength(1);
    expect(executed(rig, 2)).toEqual([1, 1]);
  });

  test("passes over a node that cannot be reached", async () => {
    await using rig = await modelRig(2);
    rig.host(0, published("m"));
    rig.host(1, published("m"), { inFlight: 3 });
    await rig.beat();
    rig.links.disconnect(rig.agent(0).address);
    rig.agent(0).address = "memory:nowhere";
    await rig.beat();
    await rig.inference.infer(inferOf("m"), NEVER);
    expect(executed(rig, 2)).toEqual([0, 1]);
  });

  test("says in Triton's words when every node refuses", async () => {
    await using rig = await modelRig(2);
    for (const node of [0, 1]) {
      rig.host(node, published("m"));
      rig.agent(node).policy = "refuse";
    }
    await rig.beat();
    await expect(rig.inference.infer(inferOf("m"), NEVER)).rejects.toMatchObject({
      code: "UNAVAILABLE",
      message: "Request for unknown model: 'm' version 1 is not at ready state",
    });
  });
});

describe("an inference whose node is lost after it took it", () => {
  const lostOnce = async (rig: ModelRig, fields: Partial<PublishedModel> = {}) => {
    rig.host(0, published("m", "1", fields));
    rig.host(1, published("m", "1", fields), { inFlight: 3 });
    rig.agent(0).policy = "held";
    await rig.beat();
  };
  const cutOff = async (rig: ModelRig, node: number) => {
    await turns(60);
    rig.links.disconnect(rig.agent(node).address);
  };

  test("is run once more on another node", async () => {
    await using rig = await modelRig(2);
    await lostOnce(rig);
    const answer = rig.inference.infer(inferOf("m"), NEVER);
    await cutOff(rig, 0);
    expect((await answer).outputs).toHaveLength(1);
    expect(executed(rig, 2)).toEqual([1, 1]);
  });

  test("is not run a third time: it may be what ends them", async () => {
    await using rig = await modelRig(3);
    await lostOnce(rig);
    rig.agent(1).policy = "held";
    rig.host(2, published("m"), { inFlight: 6 });
    await rig.beat();
    const lost = expect(rig.inference.infer(inferOf("m"), NEVER)).rejects.toMatchObject({ code: "UNAVAILABLE", reason: "link_lost" });
    await cutOff(rig, 0);
    await cutOff(rig, 1);
    await lost;
    expect(executed(rig, 3)).toEqual([1, 1, 0]);
  });

  test("is not run again where the model, or one that it calls, is to run each request once", async () => {
    await using rig = await modelRig(2);
    for (const node of [0, 1]) rig.host(node, published("effect", "1", { runsOnce: true }));
    await lostOnce(rig, { members: [{ model: "effect", version: undefined }] });
    const lost = expect(rig.inference.infer(inferOf("m"), NEVER)).rejects.toMatchObject({ code: "UNAVAILABLE", reason: "link_lost" });
    await cutOff(rig, 0);
    await lost;
    expect(executed(rig, 2)).toEqual([1, 0]);
  });

  test("of a decoupled model is run once more when it has not answered at all", async () => {
    await using rig = await modelRig(2);
    await lostOnce(rig, { decoupled: true });
    rig.agent(1).policy = { failed: "it ran" };
    const answers = expect(Array.fromAsync(rig.inference.responses(inferOf("m"), NEVER))).rejects.toMatchObject({ message: "it ran" });
    await cutOff(rig, 0);
    await answers;
    expect(executed(rig, 2)).toEqual([1, 1]);
  });
});

describe("while a model is reloaded", () => {
  test("the earlier load answers as long as it is wanted, then the later one at once", async () => {
    await using rig = await modelRig(2);
    rig.host(0, published("m"), { replica: "m/1/1", inFlight: 9 });
    rig.host(1, published("m"), { replica: "m/1/2" });
    await rig.beat();
    await rig.inference.infer(inferOf("m"), NEVER);
    expect(executed(rig, 2)).toEqual([1, 0]);
    rig.unwanted.add("m/1/1");
    rig.refresh();
    await rig.inference.infer(inferOf("m"), NEVER);
    expect(executed(rig, 2)).toEqual([1, 1]);
  });

  test("a request that the earlier load refuses, since it drains, goes to the later one", async () => {
    await using rig = await modelRig(2);
    rig.host(0, published("m"), { replica: "m/1/1" });
    rig.host(1, published("m"), { replica: "m/1/2" });
    rig.agent(0).policy = "refuse";
    await rig.beat();
    await rig.inference.infer(inferOf("m"), NEVER);
    expect(executed(rig, 2)).toEqual([1, 1]);
  });

  test("and the later load takes other inputs, such a request is checked again", async () => {
    await using rig = await modelRig(2);
    rig.host(0, published("m"), { replica: "m/1/1" });
    rig.host(1, published("m", "1", { inputs: [spec("OTHER")], configJson: "{}" }), { replica: "m/1/2" });
    rig.agent(0).policy = "refuse";
    await rig.beat();
    await expect(rig.inference.infer(inferOf("m"), NEVER)).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
    expect(executed(rig, 2)).toEqual([1, 0]);
  });

  test("an unloaded model is told as such, also to a request that was on its way", async () => {
    await using rig = await modelRig();
    rig.host(0, published("m"));
    rig.agent(0).policy = "refuse";
    await rig.beat();
    rig.known.push({ model: "m", version: "1" });
    const asked = expect(rig.inference.infer(inferOf("m"), NEVER)).rejects.toMatchObject({
      code: "NOT_FOUND",
      message: "Request for unknown model: 'm' has no available versions",
    });
    rig.unwanted.add("m/1/1");
    rig.refresh();
    await asked;
  });
});

describe("time and cancellation", () => {
  test("the node is told how much time is left", async () => {
    await using rig = await modelRig();
    rig.host(0, published("m"));
    await rig.beat();
    await rig.inference.infer(inferOf("m", { deadlineMs: 750 }), NEVER);
    expect(rig.agent(0).inferences[0]?.remainingMs).toBe(750);
  });

  test("past its deadline an inference fails, and its node is told to stop", async () => {
    await using rig = await modelRig();
    rig.host(0, published("m"));
    rig.agent(0).policy = "held";
    await rig.beat();
    const late = expect(rig.inference.infer(inferOf("m", { deadlineMs: 100 }), NEVER)).rejects.toMatchObject({ code: "DEADLINE_EXCEEDED" });
    await turns(60);
    await rig.clock.pass(100);
    await late;
    await turns(60);
    expect(rig.agent(0).held.map(({ ends }) => ends)).toEqual([["reset"]]);
  });

  test("a client that leaves has its inference stopped on the node", async () => {
    await using rig = await modelRig();
    rig.host(0, published("m"));
    rig.agent(0).policy = "held";
    await rig.beat();
    const client = new AbortController();
    const left = expect(rig.inference.infer(inferOf("m"), client.signal)).rejects.toThrow("gone");
    await turns(60);
    client.abort(new Error("gone"));
    await left;
    await turns(60);
    expect(rig.agent(0).held.map(({ ends }) => ends)).toEqual([["reset"]]);
  });
});
