/** Triton's subtle behaviors of ensembles, metrics, traces and a stop (test/golden/traps.md), against real processes. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { GrpcClient } from "../../client/grpc/grpc-client.ts";
import type { InferResult } from "../../client/infer-result.ts";
import { tensor } from "../../client/tensor-input.ts";
import { eventually, type ModelCluster, startModelCluster } from "../cluster/whole-models/model-cluster.ts";
import { ModelRepository } from "../cluster/whole-models/model-repository.ts";
import { CONTROLS } from "../cluster/whole-models/two-nodes.ts";
import { ensemble, port, step, times } from "../models/ensembles.ts";
import { accumulate } from "../models/small-models.ts";
import { ProcessCluster } from "../support/process-cluster.ts";
import { shardCache } from "../support/replica.ts";
import { startTraceReceiver, type TraceReceiver } from "../support/trace-receiver.ts";
import { HeldModel } from "./held-model.ts";

const ONE = "instance_group { count: 1 kind: KIND_CPU }";
const TRACE_ID = "0af7651916cd43dd8448eb211c80319c";

const repository = new ModelRepository();
let cluster: ModelCluster;
let receiver: TraceReceiver;

beforeAll(async () => {
  receiver = await startTraceReceiver();
  const put = (name: string, config = "", maxBatchSize = 8) =>
    repository.put(name, {
      "1/model.onnx": times(name === "left" ? 2 : 3),
      "config.pbtxt": `max_batch_size: ${maxBatchSize} ${ONE} ${config}`,
    });
  put("left", "dynamic_batching { default_queue_policy { max_queue_size: 1 } }");
  put("right");
  put("counted", "", 1);
  repository.put(
    "both",
    ensemble(
      [port("input", "X", "-1"), port("output", "Y", "-1"), port("output", "Z", "-1")],
      [step("left", { IN: "X" }, { OUT: "Y" }), step("right", { IN: "X" }, { OUT: "Z" })],
    ),
  );
  cluster = await startModelCluster(repository.folder, {
    "--nodes": "1",
    "--model-control-mode": "explicit",
    "--otlp-endpoint": receiver.endpoint,
    "--trace-config": "rate=0;opentelemetry,bsp_schedule_delay=50",
  });
});

afterAll(async () => {
  await cluster?.[Symbol.asyncDispose]();
  await receiver?.[Symbol.asyncDispose]();
  repository[Symbol.dispose]();
});

const ask = (model: string, input = "IN", headers: Readonly<Record<string, string>> = {}): Promise<InferResult> =>
  cluster.client.infer({ model, inputs: [tensor(input, "FP32", [1, 1], [1])] }, { headers });

const executions = async (model: string) => Number((await cluster.statistics(model)).executionCount);
/** The series of the model. */
const series = async (model: string) => (await cluster.metrics()).split("\n").filter((line) => line.includes(`model="${model}"`));
const waiting = async (model: string) => {
  const line = (await series(model)).find((one) => one.startsWith("nv_inference_pending_request_count{"));
  return Number(line?.split(" ").at(-1));
};

test("Independent steps → overlap in time; a failing branch → fails the request once, with the prefix `in ensemble 'E', ` and the step's status code (503 stays 503).", async () => {
  using held = await HeldModel.load(cluster, "left");
  await cluster.client.loadModel("both");
  const running = ask("both", "X");
  await eventually(
    () => executions("right"),
    (count) => count === 1,
  ); // while the other step stands still
  const queued = ask("left");
  await eventually(
    () => waiting("left"),
    (count) => count === 1,
  );
  await expect(ask("both", "X")).rejects.toMatchObject({
    status: 503,
    message: expect.stringMatching(/^in ensemble 'both', \[request id: <id_unknown>\] Exceeds maximum queue size/),
  });
  held.goOn();
  expect((await running).output("Y").as("FP32")[0]).toBe(2);
  await queued;
  const { success, fail } = (await cluster.statistics("both")).inferenceStats;
  expect([success.count, fail.count]).toEqual([1n, 1n]);
});

test("`nv_inference_pending_request_count` → rises to N − running under load and returns to 0.", async () => {
  using held = await HeldModel.load(cluster, "counted");
  const requests = Array.from({ length: 5 }, () => ask("counted"));
  await eventually(
    () => waiting("counted"),
    (count) => count === requests.length - 1,
  );
  held.goOn();
  await Promise.all(requests);
  expect(await waiting("counted")).toBe(0);
});

test('Metric label values → `version="1"`, labels sorted; series vanish after unload.', async () => {
  const lines = (await series("counted")).filter((line) => line.startsWith("nv_"));
  expect(lines.length).toBeGreaterThan(10);
  for (const line of lines) {
    const labels = [...line.matchAll(/(\w+)="/g)].map(([, name]) => name);
    expect(labels).toEqual(labels.toSorted());
    expect(line).toContain('version="1"');
  }
  await cluster.client.unloadModel("counted");
  await eventually(
    () => series("counted"),
    (left) => left.length === 0,
  );
});

test("Trace by `traceparent` → happens even when the rate says no.", async () => {
  await cluster.client.loadModel("right");
  await ask("right");
  await ask("right", "IN", { traceparent: `00-${TRACE_ID}-b7ad6b7169203331-01` });
  const spans = await receiver.until("InferRequest");
  expect(spans.filter(({ name }) => name === "InferRequest").map(({ traceId }) => traceId)).toEqual([TRACE_ID]);
});

test("During shutdown a sequence already started → may finish over its open connection.", async () => {
  await using cache = await shardCache();
  using models = new ModelRepository();
  models.put("adding", {
    "1/model.onnx": accumulate(),
    "config.pbtxt": `max_batch_size: 8 ${ONE} sequence_batching { direct { } ${CONTROLS} }`,
  });
  await using processes = await ProcessCluster.start({ cache });
  const flags = ["--model", "none", "--models", models.folder];
  const { process, url } = processes.gateway(...flags, "--nodes", "1");
  processes.agent("node-1", ...flags.slice(2));
  const address = /gRPC: (\S+)/.exec(await process.printed("metrics: "))?.[1] ?? "";
  await using client = new GrpcClient(address);
  const ready = async () => (await fetch(`${await url}/v2/models/adding/ready`)).status;
  await eventually(ready, (status) => status === 200);
  await using stream = await client.openStream();
  const answers = stream[Symbol.asyncIterator]();
  const sum = async (value: number, flags: { readonly start?: boolean; readonly end?: boolean } = {}) => {
    await stream.send({ model: "adding", inputs: [tensor("INPUT", "INT32", [1, 1], [value])], sequence: { id: 7n, ...flags } });
    const { value: item } = await answers.next();
    return item?.kind === "result" ? item.result.output("OUTPUT").as("INT32")[0] : item;
  };
  expect(await sum(1, { start: true })).toBe(1);
  process.child.kill("SIGTERM");
  await process.printed("gateway: stopping");
  expect(await sum(2)).toBe(3);
  expect(await sum(3, { end: true })).toBe(6);
  stream.end();
  expect((await process.ended).code).toBe(0);
});
