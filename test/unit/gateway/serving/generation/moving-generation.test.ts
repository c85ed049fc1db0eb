/** A generation that loses its lead goes on at its next token, there or elsewhere; its reader sees a pause at most. */
import { describe, expect, test } from "vitest";
import { POISON_REQUEST } from "../../../../../core/errors.ts";
import { LINK_SILENCE_MS, LINK_SUSPECT_MS } from "../../../../../core/link/link.ts";
import { UNREAD } from "../../../../../core/messages/generation.ts";
import { RouteExplanation } from "../../../../../gateway/routing/route-explanation.ts";
import { turns } from "../../../../support/fake-clock.ts";
import type { HashAgent } from "../hash-agent.ts";
import { END, MODEL, type Rig, servingRig, started } from "../serving-rig.ts";

const idsOf = (text: string) => Int32Array.from(new TextEncoder().encode(text));
/** The agent that has taken the newest generation. */
const lead = (rig: Rig): HashAgent => rig.agents.toSorted((a, b) => b.generations.length - a.generations.length)[0] ?? rig.agent;
const moved = (rig: Rig) => rig.metric(`nereid_generations_moved_total{model="${MODEL}"}`);

/** What ends a lead, as its gateway sees it. */
const LOSSES: Record<string, (rig: Rig, agent: HashAgent) => void> = {
  "its link is lost": (rig) => rig.links.disconnect(),
  "it gives the stream up": (_, agent) => agent.last.stream.reset("the agent stops"),
  "it has lost its stages": (_, agent) => {
    agent.last.write({ kind: "failed", code: "UNAVAILABLE", message: "a shard was lost" });
    agent.last.stream.end();
  },
};

describe("when its lead is lost", () => {
  test.each(Object.entries(LOSSES))(
    "as %s, it is submitted again with what there is of it, to another node, and goes on",
    async (_, lose) => {
      await using rig = await servingRig({ agents: 2 });
      const run = await started(rig, { tokensMax: 40 });
      const first = lead(rig);
      first.last.say("Hello, ");
      await turns();
      lose(rig, first);
      await turns(60);
      const next = rig.agents.flatMap(({ generations }) => generations).find(({ submit }) => submit.begun.length > 0);
      expect(next?.submit.begun).toEqual([{ outputIds: idsOf("Hello, "), over: false }]);
      expect(next?.submit.generation).toBe(first.generations[0]?.submit.generation);
      expect(first.generations).toHaveLength(1);
      expect(first.generations[0]?.submit.movable).toBe(true); // its lead need not wait for new stages
      next?.say("world");
      next?.tokens([END]);
      next?.finish();
      await turns();
      expect([run.text, run.error]).toEqual(["Hello, world", undefined]);
      expect(run.finished).toEqual([{ choice: 0, reason: "stop", completionTokens: 13 }]);
      expect(await moved(rig)).toBe(1);
      expect(rig.serving.inFlight.count(`${MODEL}/1/0`) + rig.serving.inFlight.count(`${MODEL}/1/1`)).toBe(0);
    },
  );

  test("who has asked where it went is told what was lost, and where it goes on", async () => {
    await using rig = await servingRig({ agents: 2 });
    const explanation = new RouteExplanation();
    const run = await started(rig, { explanation });
    const first = lead(rig);
    explanation.headers();
    first.last.say("one ");
    await turns();
    first.last.stream.reset("the agent stops");
    await turns(60);
    const next = rig.agents.find((agent) => agent !== first);
    expect(JSON.parse(explanation.moves() ?? "").picks).toMatchObject([
      { left: { node: first.node, why: expect.stringContaining("the agent stops") }, chosen: { node: next?.node }, outcome: "accepted" },
    ]);
    next?.last.say("two");
    next?.last.finish();
    await turns();
    expect(run.text).toBe("one two");
  });

  test("it is left when its link is silent and another node is ready: what it says when it wakes is not heard", async () => {
    await using rig = await servingRig({ agents: 2 });
    const run = await started(rig);
    const first = lead(rig);
    first.last.say("one ");
    await turns();
    rig.links.partition(first.address);
    first.last.say("late ");
    await rig.clock.pass(LINK_SUSPECT_MS);
    const next = rig.agents.find((agent) => agent !== first);
    expect(next?.last.submit.begun).toEqual([{ outputIds: idsOf("one "), over: false }]);
    rig.links.heal(first.address);
    await rig.clock.pass(1);
    next?.last.say("two");
    next?.last.finish();
    await turns();
    expect([run.text, run.error]).toEqual(["one two", undefined]);
  });

  test.each([
    ["no other node is ready", { agents: 1 }],
    ["it may not move", { agents: 2, migrationLimit: 0 }],
  ])("it waits for a silent link while %s, and goes on where it was", async (_, options) => {
    await using rig = await servingRig(options);
    const run = await started(rig);
    const only = lead(rig);
    rig.links.partition(only.address);
    only.last.say("one");
    await rig.clock.pass(LINK_SILENCE_MS - 1);
    rig.links.heal(only.address);
    only.last.finish();
    await rig.clock.pass(1);
    expect([run.text, run.error]).toEqual(["one", undefined]);
  });

  test("a choice that is over stays over, and a character that was cut in the middle comes whole", async () => {
    await using rig = await servingRig();
    const run = await started(rig, { choices: 2, tokensMax: 40 });
    rig.agent.last.say("no", 0);
    rig.agent.last.finish(0, "stop");
    const [first = 0, ...rest] = new TextEncoder().encode("é");
    rig.agent.last.tokens([first], 1);
    await turns();
    rig.links.disconnect();
    await turns(60);
    expect(rig.agent.last.submit.begun).toEqual([
      { outputIds: idsOf("no"), over: true },
      { outputIds: Int32Array.of(first), over: false },
    ]);
    rig.agent.last.tokens(rest, 1);
    rig.agent.last.finish(1, "length");
    await turns();
    expect([run.textOf(0), run.textOf(1), run.error]).toEqual(["no", "é", undefined]);
  });

  test("what the old lead still says is not heard", async () => {
    await using rig = await servingRig();
    const run = await started(rig);
    const old = rig.agent.last;
    old.say("one ");
    await turns();
    old.write({ kind: "failed", code: "UNAVAILABLE", message: "a shard was lost" });
    await turns(60);
    old.say("late ");
    rig.agent.last.say("two");
    rig.agent.last.finish();
    await turns();
    expect([run.text, run.error]).toEqual(["one two", undefined]);
  });

  test("choices that have all their tokens end without a lead", async () => {
    await using rig = await servingRig();
    const run = await started(rig, { choices: 2, tokensMax: 3 });
    rig.agent.last.tokens([65, 66, END], 0);
    rig.agent.last.tokens([65, 66, 67], 1);
    await turns();
    rig.links.disconnect();
    await turns();
    expect(run.finished.map(({ choice, reason }) => [choice, reason])).toEqual([
      [0, "stop"],
      [1, "length"],
    ]);
    expect(rig.agent.generations).toHaveLength(1);
    expect(run.done).toBe(true);
  });
});

describe("until somebody takes it", () => {
  test("it waits, and goes on when its replica is ready again", async () => {
    await using rig = await servingRig();
    const run = await started(rig);
    rig.agent.last.say("some");
    await turns();
    rig.beat(0, { ready: false });
    rig.links.disconnect();
    await rig.clock.pass(20_000);
    expect([rig.agent.generations.length, run.error]).toEqual([1, undefined]);
    rig.beat(0);
    await rig.clock.pass(200);
    expect(rig.agent.last.submit.begun).toEqual([{ outputIds: idsOf("some"), over: false }]);
  });

  test("it waits 30 s, then fails with why", async () => {
    await using rig = await servingRig();
    const run = await started(rig);
    rig.beat(0, { ready: false });
    rig.links.disconnect();
    await rig.clock.pass(29_900);
    expect(run.error).toBeUndefined();
    await rig.clock.pass(200);
    expect(run.error).toMatchObject({ code: "UNAVAILABLE", message: expect.stringContaining("connection to node node-1 was lost") });
  });

  test("it keeps its deadline, and leaves when its client does", async () => {
    await using rig = await servingRig();
    const leave = new AbortController();
    const [late, gone] = [await started(rig, { deadlineMs: 5_000 }), await started(rig, {}, leave.signal)];
    rig.beat(0, { ready: false });
    rig.links.disconnect();
    await rig.clock.pass(4_900);
    leave.abort(new Error("left"));
    await rig.clock.pass(200);
    expect(late.error).toMatchObject({ code: "DEADLINE_EXCEEDED" });
    expect(gone.done).toBe(true);
    expect(rig.clock.pending).toBe(0);
  });

  test("a replica with other text, or less room, is not asked", async () => {
    await using rig = await servingRig({ agents: 2 });
    rig.beat(1, { ready: false });
    const run = await started(rig, { tokensMax: 40 });
    expect(rig.agent.last.submit.movable).toBeUndefined();
    rig.beat(0, { ready: false });
    for (const changes of [{ textDigest: "another" }, { contextLength: 44 }]) {
      rig.beat(1, changes);
      rig.links.disconnect();
      await rig.clock.pass(1_000);
    }
    expect(rig.agents[1]?.generations).toEqual([]);
    rig.beat(1, { contextLength: 45 });
    await rig.clock.pass(1_000);
    expect(rig.agents[1]?.generations).toHaveLength(1);
    expect(run.error).toBeUndefined();
  });
});

describe("it ends with its lead", () => {
  test("when it has been moved three times in a row without a token, and not before", async () => {
    await using rig = await servingRig();
    const run = await started(rig);
    const lose = async () => {
      rig.links.disconnect();
      await turns(60);
    };
    for (let losses = 0; losses < 3; losses++) await lose();
    rig.agent.last.say("one");
    await turns();
    for (let losses = 0; losses < 3; losses++) await lose();
    expect([run.error, rig.agent.generations.length]).toEqual([undefined, 7]);
    await lose();
    expect(run.error).toMatchObject({ code: "UNAVAILABLE", reason: "link_lost" });
  });

  test.each([
    ["it is cut off for its reader's slowness", (agent: HashAgent) => agent.last.stream.reset(UNREAD), "UNAVAILABLE"],
    [
      "the lead refuses it as poison",
      (agent: HashAgent) => agent.last.write({ kind: "failed", code: "INTERNAL", message: "died again and again" }),
      "INTERNAL",
    ],
  ])("when %s", async (_, end, code) => {
    await using rig = await servingRig({ agents: 2 });
    const run = await started(rig);
    end(lead(rig));
    await turns(60);
    expect(run.error).toMatchObject({ code });
    expect(rig.agents.flatMap(({ generations }) => generations)).toHaveLength(1);
  });

  test("when it was poison a moment ago: the same request is refused before any lead gets it, another one is not", async () => {
    await using rig = await servingRig();
    const first = await started(rig);
    rig.agent.last.write({ kind: "failed", code: "INTERNAL", message: "died again and again", reason: POISON_REQUEST });
    await turns(60);
    const again = await started(rig);
    expect([first.error, again.error]).toMatchObject([{ message: "died again and again" }, { code: "INTERNAL", reason: POISON_REQUEST }]);
    expect(rig.agent.generations).toHaveLength(1);
    await started(rig, { prompt: { kind: "text", text: "another one" } });
    expect(rig.agent.generations).toHaveLength(2);
  });

  test("when the cluster is about to stop", async () => {
    await using rig = await servingRig();
    const run = await started(rig);
    rig.serving.retire();
    rig.agent.last.write({ kind: "failed", code: "UNAVAILABLE", message: "the model is being unloaded" });
    await turns(60);
    expect(run.error).toMatchObject({ code: "UNAVAILABLE", message: "the model is being unloaded" });
  });
});
