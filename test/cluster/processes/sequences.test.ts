/** Sequences over agents that are processes of their own, with their states in Redis: kill -9 of one costs a pause and nothing else. */
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { HttpClient } from "../../../client/http/http-client.ts";
import { tensor } from "../../../client/tensor-input.ts";
import { redisCommand } from "../../contract/servers/redis-command.ts";
import { accumulate } from "../../models/small-models.ts";
import { ended, ProcessCluster } from "../../support/process-cluster.ts";
import { type RealServer, startRedis } from "../../support/real-servers.ts";
import { type ShardCache, shardCache } from "../../support/replica.ts";
import { ModelRepository } from "../whole-models/model-repository.ts";
import { CONTROLS } from "../whole-models/two-nodes.ts";

const SOON = { interval: 50, timeout: 60_000 };
const MODEL = "adding";

let cache: ShardCache;
let redis: RealServer;
beforeAll(async () => {
  [cache, redis] = await Promise.all([shardCache(), startRedis()]);
});
afterAll(async () => {
  await cache?.[Symbol.asyncDispose]();
  await redis?.[Symbol.asyncDispose]();
});

test("kill -9 of an agent in the middle of its sequences: every step is applied once, and the clients see no error", async () => {
  using repository = new ModelRepository();
  repository.put(MODEL, {
    "1/model.onnx": accumulate(),
    "config.pbtxt": `max_batch_size: 8 instance_group { count: 1 kind: KIND_CPU } parameters { key: "replicas" value { string_value: "2" } }
      sequence_batching { max_sequence_idle_microseconds: 60000000 oldest { max_candidate_sequences: 64 } ${CONTROLS} }`,
  });
  await using cluster = await ProcessCluster.start({ cache });
  const models = ["--models", repository.folder];
  const gateway = cluster.gateway("--model", "none", ...models);
  const agents = ["node-1", "node-2"].map((node) => cluster.agent(node, "--redis-url", redis.url, ...models));
  const client = new HttpClient(await gateway.url, { timeoutMs: 60_000 });
  await vi.waitFor(async () => expect(await client.isModelReady(MODEL)).toBe(true), SOON);
  /** Agents to which sequences belong. */
  const owners = async (): Promise<ReadonlySet<string>> => {
    const keys = await redisCommand(redis.url, "KEYS", "nereid:sequence:*");
    const named = await Promise.all(keys.map(async (key) => (await redisCommand(redis.url, "HGET", key, "owner"))[0]?.split(" ")[2]));
    return new Set(named.filter((node) => node !== undefined));
  };
  let probe = 1_000n;
  await vi.waitFor(async () => {
    probe += 1n;
    await client.infer({ model: MODEL, inputs: [tensor("INPUT", "INT32", [1, 1], [1])], sequence: { id: probe, start: true, end: true } });
    expect(await owners()).toEqual(new Set(["node-1", "node-2"]));
  }, SOON);
  const [sequences, steps] = [24, 16];
  let answered = 0;
  const run = async (sequence: number): Promise<readonly number[]> => {
    const sums: number[] = [];
    for (let step = 1; step <= steps; step++) {
      const result = await client.infer({
        model: MODEL,
        inputs: [tensor("INPUT", "INT32", [1, 1], [step * sequence])],
        sequence: { id: BigInt(sequence), start: step === 1, end: step === steps },
      });
      sums.push(result.output("OUTPUT").as("INT32")[0] ?? Number.NaN);
      answered += 1;
      if (answered === (sequences * steps) / 3 && agents[0] !== undefined) await ended(agents[0], "SIGKILL");
    }
    return sums;
  };
  const all = await Promise.all(Array.from({ length: sequences }, (_, index) => run(index + 1)));
  for (const [index, sums] of all.entries()) {
    expect(sums).toEqual(Array.from({ length: steps }, (_, step) => ((step + 1) * (step + 2) * (index + 1)) / 2));
  }
  await client.close();
});
