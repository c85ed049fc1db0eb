/** An inference for an agent in the gateway's process reaches it as it is; what that agent does not take goes over its link. */
import { describe, expect, test } from "vitest";
import { ServingError } from "../../../../core/errors.ts";
import { nodeId } from "../../../../core/ids.ts";
import type { InferSubmit } from "../../../../core/messages/infer.ts";
import type { InferHandle, InferSink } from "../../../../core/messages/infer-sink.ts";
import { type NearAgent, NearAgents } from "../../../../core/near-agents.ts";
import { RouteExplanation } from "../../../../gateway/routing/route-explanation.ts";
import { inferOf, modelRig, NEVER, pair, published } from "./model-rig.ts";

const TIMES = { queueUs: 1, computeInputUs: 2, computeInferUs: 3, computeOutputUs: 4 };

/** Keeps what it takes until the test answers. */
class HeldAgent implements NearAgent {
  readonly taken: { readonly submit: InferSubmit; readonly sink: InferSink }[] = [];
  takes: "all" | "nothing" | ServingError = "all";
  canceled = 0;

  infer(submit: InferSubmit, sink: InferSink): InferHandle | undefined {
    if (this.takes === "nothing") return undefined;
    if (this.takes !== "all") throw this.takes;
    this.taken.push({ submit, sink });
    return { cancel: () => this.canceled++ };
  }
}

async function nearRig() {
  const near = new NearAgents();
  const agent = new HeldAgent();
  near.add(nodeId("node-1"), agent);
  const rig = await modelRig(2, { near });
  rig.host(0, published("m"));
  await rig.beat();
  return { rig, agent, near };
}

describe("an inference for an agent in this process", () => {
  test("hands over the tensors themselves, and the answer's", async () => {
    const { rig, agent } = await nearRig();
    await using _ = rig;
    const input = pair([7, 8]);
    const answer = rig.inference.infer(inferOf("m", { id: "a", inputs: [input] }), NEVER);
    const [one] = agent.taken;
    expect(one?.submit).toMatchObject({ replica: "m/1/1", id: "a" });
    expect(one?.submit.inputs[0]).toBe(input);
    const output = pair([9, 9], { name: "OUTPUT0" });
    one?.sink.answered([output], TIMES);
    const { outputs, ...rest } = await answer;
    expect(outputs[0]).toBe(output);
    expect(rest).toMatchObject({ model: "m", version: "1", times: TIMES });
    expect(rig.agent(0).inferences).toEqual([]);
  });

  test("says where it went when it is asked, and that it was passed on where the agent does not take it", async () => {
    const { rig, agent } = await nearRig();
    await using _ = rig;
    const told = (explanation: RouteExplanation) => JSON.parse(explanation.headers()["x-nereid-route"] ?? "").picks;
    const chosen = { replica: "m/1/1", node: "node-1" };
    const [taken, passed] = [new RouteExplanation(), new RouteExplanation()];
    const answer = rig.inference.infer(inferOf("m", { explanation: taken }), NEVER);
    agent.taken[0]?.sink.answered([], TIMES);
    await answer;
    expect(told(taken)).toMatchObject([{ chosen, outcome: "accepted", candidates: [{ ...chosen, own_in_flight: 0 }] }]);
    agent.takes = "nothing";
    await rig.inference.infer(inferOf("m", { explanation: passed }), NEVER);
    const outcomes = ["not taken within this process", "accepted"];
    expect(told(passed)).toMatchObject(outcomes.map((outcome) => ({ chosen, outcome })));
  });

  test("fails with the agent's words", async () => {
    const { rig, agent } = await nearRig();
    await using _ = rig;
    const answer = rig.inference.infer(inferOf("m"), NEVER);
    agent.taken[0]?.sink.failed(new ServingError("INTERNAL", "out of bounds"));
    await expect(answer).rejects.toMatchObject({ code: "INTERNAL", message: "out of bounds" });
  });

  test("is refused with the agent's words when its queue is full", async () => {
    const { rig, agent } = await nearRig();
    await using _ = rig;
    agent.takes = new ServingError("UNAVAILABLE", "Exceeds maximum queue size");
    await expect(rig.inference.infer(inferOf("m"), NEVER)).rejects.toMatchObject({ message: "Exceeds maximum queue size" });
    expect(rig.agent(0).inferences).toEqual([]);
  });

  test("is canceled in the agent when its client goes, and ends at once", async () => {
    const { rig, agent } = await nearRig();
    await using _ = rig;
    const client = new AbortController();
    const answer = rig.inference.infer(inferOf("m"), client.signal);
    client.abort(new ServingError("CANCELLED", "the client closed the connection"));
    await expect(answer).rejects.toMatchObject({ code: "CANCELLED" });
    expect(agent.canceled).toBe(1);
  });

  test("ends at its deadline", async () => {
    const { rig, agent } = await nearRig();
    await using _ = rig;
    const answer = rig.inference.infer(inferOf("m", { deadlineMs: 20 }), NEVER);
    expect(agent.taken[0]?.submit.remainingMs).toBe(20);
    const refused = expect(answer).rejects.toMatchObject({ code: "DEADLINE_EXCEEDED" });
    await rig.clock.pass(20);
    await refused;
    expect(agent.canceled).toBe(1);
  });

  test("that the agent does not take goes over its link, and from there to others", async () => {
    const { rig, agent } = await nearRig();
    await using _ = rig;
    agent.takes = "nothing";
    expect((await rig.inference.infer(inferOf("m"), NEVER)).outputs).toHaveLength(1);
    expect(rig.agent(0).inferences).toHaveLength(1);
  });

  test("goes to a node elsewhere when that has less to do", async () => {
    const { rig, agent } = await nearRig();
    await using _ = rig;
    rig.host(0, published("m"), { inFlight: 2 });
    rig.host(1, published("m"));
    await rig.beat();
    expect((await rig.inference.infer(inferOf("m"), NEVER)).outputs).toHaveLength(1);
    expect([agent.taken.length, rig.agent(1).inferences.length]).toEqual([0, 1]);
  });

  test("goes over the link when the agent has left this process", async () => {
    const { rig, agent, near } = await nearRig();
    await using _ = rig;
    near.delete(nodeId("node-1"));
    expect((await rig.inference.infer(inferOf("m"), NEVER)).outputs).toHaveLength(1);
    expect(agent.taken).toEqual([]);
  });
});
