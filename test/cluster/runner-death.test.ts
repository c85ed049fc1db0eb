/** kill -9 of a shard's runner: what runs pauses and goes on token for token, and the model comes back as it was. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type RunningCluster, startRealCluster } from "../support/cluster.ts";
import { type ShardCache, shardCache } from "../support/replica.ts";
import { type CompletionFields, complete, streamCompletion, WITHOUT_END } from "./completion-client.ts";

const QUESTION: CompletionFields = { ...WITHOUT_END, prompt: "The capital of France is", max_tokens: 24 };
const STORY: CompletionFields = { ...WITHOUT_END, prompt: "Once upon a time", max_tokens: 80 };
const SAMPLED: CompletionFields = { ...STORY, temperature: 0.9, top_p: 0.95, presence_penalty: 0.5, seed: 5 };
const SOON = { interval: 20, timeout: 60_000 };

let cache: ShardCache;
let cluster: RunningCluster;
let expected: string;
let story: string;
let sampled: string;
/** Stages whose runner has been killed. */
const killed = new Set<number>();

beforeAll(async () => {
  cache = await shardCache();
  cluster = await startRealCluster(cache);
  ({ text: expected } = await complete(cluster.url, QUESTION));
  ({ text: story } = await complete(cluster.url, STORY));
  ({ text: sampled } = await complete(cluster.url, SAMPLED));
});
afterAll(async () => {
  await cluster?.[Symbol.asyncDispose]();
  await cache?.[Symbol.asyncDispose]();
});

describe("kill -9 of a runner", () => {
  test("loses no token of what runs, the model is not ready until the runner is back, and answers as before", async () => {
    const [first] = cluster.runnerPids();
    await expectRecovery(first);
  });

  test("does the same for the other stage", async () => {
    const [other] = cluster.runnerPids(); // the older one, which has not been killed
    await expectRecovery(other);
    expect([...killed].toSorted()).toEqual([0, 1]);
  });

  test("has been counted", async () => {
    expect(await cluster.metric("nereid_runner_restarts_total")).toBe(2);
  });
});

async function expectRecovery(pid: number | undefined): Promise<void> {
  if (pid === undefined) throw new Error("no runner");
  const begun = Promise.withResolvers<void>();
  const onPiece = (pieces: number) => pieces === 3 && begun.resolve();
  const streams = [STORY, SAMPLED].map((fields) => streamCompletion(cluster.url, fields, { onPiece }));
  const wholes = [STORY, SAMPLED].map((fields) => complete(cluster.url, fields));
  await begun.promise;
  await expect.poll(() => cluster.metric("nereid_slots_busy"), SOON).toBe(4);
  process.kill(pid, "SIGKILL");

  const [dead] = await Promise.all([stageThatIsGone(), expect.poll(() => cluster.readyStatus(), SOON).toBe(400)]);
  killed.add(dead);
  expect((await complete(cluster.url, QUESTION)).text).toBe(expected); // it waits until the model is back
  const wanted = [story, sampled].map((text) => expect.objectContaining({ text, finishReason: "length" }));
  expect(await Promise.all([...streams, ...wholes])).toEqual([...wanted, ...wanted]);

  await expect.poll(() => cluster.readyStatus(), SOON).toBe(200);
  expect(cluster.runnerPids()).toHaveLength(2);
  expect(cluster.runnerPids()).not.toContain(pid);
  expect((await complete(cluster.url, QUESTION)).text).toBe(expected);
  expect(await cluster.metric("nereid_slots_busy")).toBe(0);
}

/** The stage whose shard is not open any more, as soon as one is. */
async function stageThatIsGone(): Promise<number> {
  let gone = -1;
  await expect
    .poll(async () => {
      gone = (await cluster.stageStates()).findIndex((state) => state !== "open");
      return gone;
    }, SOON)
    .not.toBe(-1);
  return gone;
}
