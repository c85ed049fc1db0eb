/** Triton's own load generator runs against Nereid as it is, over HTTP and gRPC. */
import { homedir } from "node:os";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type PerfAnalyzer, perfAnalyzer } from "../../../bench/peers/perf-analyzer.ts";
import { runTool } from "../../../bench/program.ts";
import { cacheFolders } from "../../../cli/cache.ts";
import { ServingError } from "../../../core/errors.ts";
import { MAIN, run } from "../../engine/cli/command.ts";
import { identity } from "../../models/small-models.ts";
import { type ModelCluster, startModelCluster } from "./model-cluster.ts";
import { ModelRepository } from "./model-repository.ts";

const NEVER = new AbortController().signal;
const { root } = cacheFolders({ cache: process.env["NEREID_CACHE"], models: undefined }, process.env, homedir());

/** Why it cannot be had on this machine, if that is so. */
const analyzer: PerfAnalyzer | string = await perfAnalyzer(root, () => {}, NEVER).catch(
  (thrown: unknown) => ServingError.from(thrown).message,
);

const repository = new ModelRepository();
let cluster: ModelCluster;

beforeAll(async () => {
  repository.put("identity", { "1/model.onnx": identity(), "config.pbtxt": "max_batch_size: 8 dynamic_batching {}" });
  const waits = "dynamic_batching { preferred_batch_size: [8] max_queue_delay_microseconds: 20000 }";
  repository.put("patient", { "1/model.onnx": identity(), "config.pbtxt": `max_batch_size: 8 ${waits}` });
  cluster = await startModelCluster(repository.folder);
});

afterAll(async () => {
  await cluster?.[Symbol.asyncDispose]();
  repository[Symbol.dispose]();
});

const FLAGS = "-m identity --shape INPUT0:16 --concurrency-range 1:4:3 -p 300 -s 1000 --max-trials 3 --percentile 95".split(" ");

async function analyze(flags: readonly string[]): Promise<string> {
  return await perfAnalyzerSays([...FLAGS, ...flags]);
}

async function perfAnalyzerSays(flags: readonly string[]): Promise<string> {
  if (typeof analyzer === "string") throw new Error(analyzer);
  const [program, ...args] = analyzer.command;
  return await runTool(program, [...args, ...flags], { signal: NEVER, limitMs: 60_000 });
}

describe.skipIf(typeof analyzer === "string")(`perf_analyzer${typeof analyzer === "string" ? `, left out: ${analyzer}` : ""}`, () => {
  test.each(["http", "grpc"])("sweeps concurrencies over %s, ends with 0 and finds the server's statistics", async (protocol) => {
    const address = protocol === "http" ? new URL(cluster.url).host : cluster.grpcAddress;
    const said = await analyze(["-i", protocol, "-u", address]);
    const rows = [...said.matchAll(/^Concurrency: (\d+), throughput: ([\d.]+) infer\/sec, latency (\d+) usec$/gm)];
    expect(rows.map(([, concurrency]) => concurrency)).toEqual(["1", "4"]);
    expect(rows.every(([, , throughput]) => Number(throughput) > 0)).toBe(true);
    expect(said).toMatch(/Avg request latency: \d+ usec \(overhead \d+ usec \+ queue \d+ usec \+ compute input \d+ usec/);
  });

  test.each(["http", "grpc"])("and nereid bench measure the same load over %s alike, with the same flags", async (protocol) => {
    const address = protocol === "http" ? new URL(cluster.url).host : cluster.grpcAddress;
    // A rate that the machine keeps whatever else it does, and a model that lets a request wait for 20 ms, less where two meet.
    const text =
      "-m patient --shape INPUT0:16 --request-rate-range 40 --measurement-mode count_windows --measurement-request-count 20 -s 1000 -r 3";
    const flags = [...text.split(" "), "--async", "-i", protocol, "-u", address];
    const ours = await run([MAIN, "bench", ...flags]);
    for (const said of [await perfAnalyzerSays(flags), ours.stdout + ours.stderr]) {
      const [, throughput, latency] = /^Request Rate: 40, throughput: ([\d.]+) infer\/sec, latency (\d+) usec$/m.exec(said) ?? [];
      expect(Math.abs(Number(throughput) - 40), said).toBeLessThan(8);
      expect(Number(latency), said).toBeGreaterThan(10_000);
      expect(Number(/\+ queue (\d+) usec/.exec(said)?.[1]), said).toBeGreaterThan(10_000);
    }
  });

  test("sends batches as JSON", async () => {
    const address = new URL(cluster.url).host;
    const said = await analyze(["-i", "http", "-u", address, "-b", "4", "--input-tensor-format", "json", "--output-tensor-format", "json"]);
    expect(said).toContain("Concurrency: 4, throughput:");
    expect(await cluster.statistics("identity")).toMatchObject({
      batchStats: expect.arrayContaining([expect.objectContaining({ batchSize: 4n })]),
    });
  });
});
