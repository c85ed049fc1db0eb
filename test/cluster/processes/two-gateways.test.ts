/** One NATS, one Redis, two gateways and an agent as processes of their own: gateways are alike, and one is enough. */
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { HttpClient } from "../../../client/http/http-client.ts";
import { ended, MODEL, ProcessCluster } from "../../support/process-cluster.ts";
import { type RealServer, startRedis } from "../../support/real-servers.ts";
import { type ShardCache, shardCache } from "../../support/replica.ts";
import { complete, streamCompletion, WITHOUT_END } from "../completion-client.ts";

const SOON = { interval: 50, timeout: 60_000 };
const LONG = { ...WITHOUT_END, prompt: "Once upon a time", max_tokens: 200, temperature: 0.8, seed: 3, stop: ["never to be said"] };
const QUESTION = { prompt: "The sea is", max_tokens: 4, temperature: 0 };

let cache: ShardCache;
let redis: RealServer;
beforeAll(async () => {
  cache = await shardCache();
  redis = await startRedis();
});
afterAll(async () => {
  await redis?.[Symbol.asyncDispose]();
  await cache?.[Symbol.asyncDispose]();
});

test("what is loaded at one gateway is served by both; when the one that places is killed the other writes its streams on, loads and unloads", async () => {
  await using cluster = await ProcessCluster.start({ cache });
  const flags = ["--redis-url", redis.url, "--model", "none", "--model-control-mode", "explicit"];
  const first = cluster.gateway(...flags); // alone for a while: it places
  for (const node of ["node-1", "node-2"]) cluster.agent(node);
  const firstUrl = await first.url;
  const firstClient = new HttpClient(firstUrl);
  await vi.waitFor(async () => expect(await firstClient.isReady()).toBe(true), SOON);
  const second = cluster.gateway(...flags);
  const secondUrl = await second.url;
  const client = new HttpClient(secondUrl);
  await client.loadModel(MODEL);
  const { text } = await complete(secondUrl, QUESTION);
  await vi.waitFor(async () => expect(await firstClient.isModelReady(MODEL)).toBe(true), SOON);
  expect(await complete(firstUrl, QUESTION)).toMatchObject({ text });
  const whole = await complete(secondUrl, LONG);
  let killed: Promise<unknown> = Promise.resolve();
  const onPiece = (count: number) => {
    if (count === 40) killed = ended(first.process, "SIGKILL");
  };
  const resumed = await streamCompletion(firstUrl, LONG, { onPiece, resumeAt: secondUrl });
  expect(resumed).toEqual({ ...whole, error: undefined, done: true });
  await killed;
  const metrics = /metrics: (\S+)/.exec(await second.process.printed("metrics: "))?.[1] ?? "";
  expect(await (await fetch(metrics)).text()).toContain(`nereid_generations_resumed_total{model="${MODEL}"} 1`);
  expect(await complete(secondUrl, QUESTION)).toMatchObject({ text });
  await client.unloadModel(MODEL);
  const state = async () => (await fetch(`${secondUrl}/console/state`)).text();
  await vi.waitFor(async () => expect(JSON.parse(await state())).toMatchObject({ models: [] }), SOON);
  await client.loadModel(MODEL);
  expect(await complete(secondUrl, QUESTION)).toMatchObject({ text });
  await Promise.all([firstClient.close(), client.close()]);
});
