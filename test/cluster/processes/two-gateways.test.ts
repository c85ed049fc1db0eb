/** One NATS, one Redis, two gateways and an agent as processes of their own: gateways are alike, and one is enough. */
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { HttpClient } from "../../../client/http/http-client.ts";
import { ended, MODEL, ProcessCluster } from "../../support/process-cluster.ts";
import { type RealServer, startRedis } from "../../support/real-servers.ts";
import { type ShardCache, shardCache } from "../../support/replica.ts";
import { complete } from "../completion-client.ts";

const SOON = { interval: 50, timeout: 60_000 };
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

test("what is loaded at one gateway is served by both; when the one that places is killed the other loads and unloads", async () => {
  await using cluster = await ProcessCluster.start({ cache });
  const flags = ["--redis-url", redis.url, "--model", "none", "--model-control-mode", "explicit"];
  const first = cluster.gateway(...flags); // alone for a while: it places
  cluster.agent("node-1");
  const firstUrl = await first.url;
  const firstClient = new HttpClient(firstUrl);
  await vi.waitFor(async () => expect(await firstClient.isReady()).toBe(true), SOON);
  const secondUrl = await cluster.gateway(...flags).url;
  const client = new HttpClient(secondUrl);
  await client.loadModel(MODEL);
  const { text } = await complete(secondUrl, QUESTION);
  await vi.waitFor(async () => expect(await firstClient.isModelReady(MODEL)).toBe(true), SOON);
  expect(await complete(firstUrl, QUESTION)).toMatchObject({ text });
  await ended(first.process, "SIGKILL");
  expect(await complete(secondUrl, QUESTION)).toMatchObject({ text });
  await client.unloadModel(MODEL);
  const state = async () => (await fetch(`${secondUrl}/console/state`)).text();
  await vi.waitFor(async () => expect(JSON.parse(await state())).toMatchObject({ models: [] }), SOON);
  await client.loadModel(MODEL);
  expect(await complete(secondUrl, QUESTION)).toMatchObject({ text });
  await Promise.all([firstClient.close(), client.close()]);
});
