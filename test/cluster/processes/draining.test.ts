/** Two gateways that share Redis, and agents to spare: what clients notice when one of either is told to stop under load, which is nothing. */
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { sleep, systemClock } from "../../../core/clock.ts";
import type { Started } from "../../engine/cli/command.ts";
import { ended, type GatewayProcess, isReady, ProcessCluster } from "../../support/process-cluster.ts";
import { type RealServer, startRedis } from "../../support/real-servers.ts";
import { type ShardCache, shardCache } from "../../support/replica.ts";
import { type CompletionFields, complete, WITHOUT_END } from "../completion-client.ts";

const SOON = { interval: 50, timeout: 60_000 };
const QUESTION: CompletionFields = { ...WITHOUT_END, prompt: "The capital of France is", max_tokens: 12 };
const CLIENTS = 4;
const never = new AbortController().signal;

let cache: ShardCache;
let redis: RealServer;
let cluster: ProcessCluster;
let gateways: readonly GatewayProcess[];
let urls: readonly string[];
let agents: readonly Started[];

beforeAll(async () => {
  cache = await shardCache();
  redis = await startRedis();
  cluster = await ProcessCluster.start({ cache, stages: 1 });
  gateways = [1, 2].map(() => cluster.gateway("--redis-url", redis.url, "--nodes", "2"));
  agents = ["node-1", "node-2"].map((node) => cluster.agent(node, "--redis-url", redis.url));
  urls = await Promise.all(gateways.map(({ url }) => url));
  for (const url of urls) await vi.waitFor(async () => expect(await isReady(url)).toBe(true), SOON);
});
afterAll(async () => {
  await cluster?.[Symbol.asyncDispose]();
  await redis?.[Symbol.asyncDispose]();
  await cache?.[Symbol.asyncDispose]();
});

/** Clients that ask again and again, each time the first gateway that is ready, as behind a balancer that looks twice a second. */
function load(expected: string) {
  const stop = new AbortController();
  let ready = urls;
  let answered = 0;
  const look = async () => {
    while (!stop.signal.aborted) {
      const found = await Promise.all(urls.map((url) => isReady(url).catch(() => false)));
      ready = urls.filter((_, index) => found[index]);
      await sleep(systemClock, 500, never);
    }
  };
  const client = async (number: number) => {
    while (!stop.signal.aborted) {
      const { text } = await complete(ready[number % ready.length] ?? "", QUESTION);
      expect(text).toBe(expected);
      answered += 1;
    }
  };
  const running = Promise.all([look(), ...Array.from({ length: CLIENTS }, (_, number) => client(number))]);
  return {
    more: async (count: number) => {
      const wanted = answered + count;
      await vi.waitFor(() => expect(answered).toBeGreaterThanOrEqual(wanted), SOON);
    },
    end: async () => {
      stop.abort();
      await running;
    },
  };
}

describe("under load no request fails", () => {
  test("when the agent that serves is told to stop: its model moves first", async () => {
    const { text } = await complete(urls[0] ?? "", QUESTION);
    const clients = load(text);
    await clients.more(10);
    const { stdout } = await cluster.status(urls[0] ?? "");
    const [, serving] = /^smollm2\S+ +1 +ready +(node-\d)/m.exec(stdout) ?? [];
    const agent = agents[Number(serving?.at(-1)) - 1];
    if (agent === undefined) throw new Error(`nobody serves:\n${stdout}`);
    const over = await ended(agent, "SIGTERM");
    expect(over.code, over.stderr).toBe(0);
    await clients.more(10);
    await clients.end();
  });

  test("when a gateway is told to stop", async () => {
    const { text } = await complete(urls[0] ?? "", QUESTION);
    const clients = load(text);
    await clients.more(10);
    const [first] = gateways;
    if (first === undefined) throw new Error("there are two gateways");
    const over = await ended(first.process, "SIGTERM");
    expect(over.code, over.stderr).toBe(0);
    await clients.more(10);
    await clients.end();
  });
});
