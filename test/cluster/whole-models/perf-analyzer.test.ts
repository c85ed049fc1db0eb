/** Triton's own load generator runs against Nereid as it is, over HTTP and gRPC. */
import { homedir } from "node:os";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type PerfAnalyzer, perfAnalyzer } from "../../../bench/peers/perf-analyzer.ts";
import { runTool } from "../../../bench/program.ts";
import { cacheFolders } from "../../../cli/cache.ts";
import { ServingError } from "../../../core/errors.ts";
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
  cluster = await startModelCluster(repository.folder);
});

afterAll(async () => {
  await cluster?.[Symbol.asyncDispose]();
  repository[Symbol.dispose]();
});

const FLAGS = "-m identity --shape INPUT0:16 --concurrency-range 1:4:3 -p 300 -s 1000 --max-trials 3 --percentile 95".split(" ");

async function analyze(flags: readonly string[]): Promise<string> {
  if (typeof analyzer === "string") throw new Error(analyzer);
  const [program, ...args] = analyzer.command;
  return await runTool(program, [...args, ...FLAGS, ...flags], { signal: NEVER, limitMs: 60_000 });
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

  test("sends batches as JSON", async () => {
    const address = new URL(cluster.url).host;
    const said = await analyze(["-i", "http", "-u", address, "-b", "4", "--input-tensor-format", "json", "--output-tensor-format", "json"]);
    expect(said).toContain("Concurrency: 4, throughput:");
    expect(await cluster.statistics("identity")).toMatchObject({
      batchStats: expect.arrayContaining([expect.objectContaining({ batchSize: 4n })]),
    });
  });
});
