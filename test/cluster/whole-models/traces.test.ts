/** What a collector gets of inferences, and what Triton's trace file says of them. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { GrpcClient } from "../../../client/grpc/grpc-client.ts";
import type { InferRequest } from "../../../client/infer-request.ts";
import { tensor } from "../../../client/tensor-input.ts";
import { identity } from "../../models/small-models.ts";
import { type ReceivedSpan, startTraceReceiver, type TraceReceiver } from "../../support/trace-receiver.ts";
import { startModelCluster } from "./model-cluster.ts";
import { ModelRepository } from "./model-repository.ts";

const TRACE_ID = "0af7651916cd43dd8448eb211c80319c";
const CLIENT_SPAN = "b7ad6b7169203331";
const MARKER = 1_431_655_765;
/** As it lies in a tensor. */
const MARKER_BYTES = "UUUU";

const repository = new ModelRepository();
const step = (from: string, to: string) =>
  `step { model_name: "m" model_version: -1 input_map { key: "INPUT0" value: "${from}" } output_map { key: "OUTPUT0" value: "${to}" } }`;
repository.put("both", {
  "config.pbtxt": `platform: "ensemble" max_batch_size: 8 input { name: "IN" data_type: TYPE_INT32 dims: [ 1 ] }
    output { name: "OUT" data_type: TYPE_INT32 dims: [ 1 ] } ensemble_scheduling { ${step("IN", "between")} ${step("between", "OUT")} }`,
});
repository.put("m", { "1/model.onnx": identity("i32", ["batch", 1]), "config.pbtxt": "max_batch_size: 8" });
const folder = mkdtempSync(path.join(tmpdir(), "nereid-traces-"));

afterAll(() => {
  repository[Symbol.dispose]();
  rmSync(folder, { recursive: true, force: true });
});

const request: InferRequest = { model: "m", id: "r-1", inputs: [tensor("INPUT0", "INT32", [1, 1], [MARKER])] };

describe("a collector", () => {
  test("gets a request as one trace, the client's, from the door to the batch, each part within its whole", async () => {
    await using receiver = await startTraceReceiver();
    await using cluster = await startModelCluster(repository.folder, {
      "--otlp-endpoint": receiver.endpoint,
      "--trace-config": "opentelemetry,bsp_schedule_delay=50",
    });
    const body = JSON.stringify({ id: "r-1", inputs: [{ name: "INPUT0", datatype: "INT32", shape: [1, 1], data: [MARKER] }] });
    const headers = { traceparent: `00-${TRACE_ID}-${CLIENT_SPAN}-01` };
    await fetch(`${cluster.url}/v2/models/m/infer`, { method: "POST", body, headers });
    const spans = await receiver.until("InferRequest");
    const one = (name: string): ReceivedSpan => {
      const [found, ...others] = spans.filter((span) => span.name === name);
      if (found === undefined || others.length > 0) throw new Error(`${others.length} more than one ${name}`);
      return found;
    };
    expect(spans.every(({ traceId }) => traceId === TRACE_ID)).toBe(true);
    expect(one("InferRequest").parentId).toBe(CLIENT_SPAN);
    const parents = [
      ["infer", "InferRequest"],
      ["m", "infer"],
      ["queue", "m"],
      ["compute", "m"],
    ] as const;
    for (const [name, parent] of parents) {
      const [part, whole] = [one(name), one(parent)];
      expect([name, part.parentId]).toEqual([name, whole.spanId]);
      expect(part.startNs >= whole.startNs && part.endNs <= whole.endNs, `${name} within ${parent}`).toBe(true);
    }
    expect(one("queue").endNs).toBe(one("compute").startNs);
    expect(one("queue").startNs).toBe(one("m").startNs);
    expect(one("infer").attributes).toEqual({ "triton.model_name": "m", "triton.model_version": "1", "triton.trace_request_id": "r-1" });
    expect(one("InferRequest").events.map(({ name }) => name)).toEqual([
      "HTTP_RECV_START",
      "HTTP_RECV_END",
      "HTTP_SEND_START",
      "HTTP_SEND_END",
    ]);
    expect(await ensembleSpans(cluster.url, receiver)).toEqual(["InferRequest", "infer", "both", "m", "m"]);
    const settings = await fetch(`${cluster.url}/v2/trace/setting`);
    expect(await settings.json()).toEqual({
      trace_level: ["TIMESTAMPS"],
      trace_rate: "1",
      trace_count: "-1",
      trace_mode: "opentelemetry",
    });
  });

  test("sees, as metrics and logs do, of 1,000 requests nothing of what they hold", async () => {
    await using receiver = await startTraceReceiver();
    const flags = { "--otlp-endpoint": receiver.endpoint, "--trace-config": "opentelemetry,bsp_schedule_delay=50", "--log-level": "debug" };
    await using cluster = await startModelCluster(repository.folder, flags, { NEREID_ACCESS_LOG: "true" });
    for (let sent = 0; sent < 1_000; sent += 50) await Promise.all(Array.from({ length: 50 }, () => cluster.client.infer(request)));
    const failing = { ...request, inputs: [tensor("INPUT0", "INT32", [1, 2], [MARKER, MARKER])] };
    await expect(cluster.client.infer(failing)).rejects.toThrow();
    await receiver.until("InferRequest", 1_001);
    const metrics = await cluster.metrics();
    expect(metrics).toContain('nv_inference_request_success{model="m",version="1"} 1000');
    const logged = await cluster.stop();
    expect(logged.split('"msg":"answered"')).toHaveLength(1_002);
    const told = [metrics, logged, ...receiver.bodies.map((sent) => Buffer.from(sent).toString("latin1"))];
    expect(told.filter((text) => text.includes(String(MARKER)) || text.includes(MARKER_BYTES))).toEqual([]);
  });

  test("gets requests over gRPC, failed ones as failed, and none that is not asked for", async () => {
    await using receiver = await startTraceReceiver();
    const rates = "rate=0;opentelemetry,bsp_schedule_delay=50";
    await using cluster = await startModelCluster(repository.folder, { "--otlp-endpoint": receiver.endpoint, "--trace-config": rates });
    const client = new GrpcClient(cluster.grpcAddress);
    await client.infer(request);
    await client.infer(request, { headers: { traceparent: `00-${TRACE_ID}-${CLIENT_SPAN}-01` } });
    const wide = { ...request, inputs: [tensor("INPUT0", "INT32", [1, 2], [MARKER, MARKER])] };
    await expect(client.infer(wide, { headers: { traceparent: `00-${TRACE_ID}-${CLIENT_SPAN}-01` } })).rejects.toThrow();
    const failing = { method: "POST", body: "{}", headers: { traceparent: `00-${TRACE_ID}-${CLIENT_SPAN}-01` } };
    expect((await fetch(`${cluster.url}/v2/models/m/infer`, failing)).status).toBe(500);
    await client.close();
    const spans = await receiver.until("InferRequest", 3);
    const roots = spans.filter(({ name }) => name === "InferRequest");
    expect(roots.map(({ traceId, parentId, status }) => [traceId, parentId, status])).toEqual([
      [TRACE_ID, CLIENT_SPAN, 0],
      [TRACE_ID, CLIENT_SPAN, 2],
      [TRACE_ID, CLIENT_SPAN, 2],
    ]);
  });
});

/** Of a request to the ensemble, by their depth: each is below the one before or beside it, and the queues and batches are left out. */
async function ensembleSpans(url: string, receiver: TraceReceiver): Promise<readonly string[]> {
  const traceId = TRACE_ID.replace("0a", "0b");
  const body = JSON.stringify({ inputs: [{ name: "IN", datatype: "INT32", shape: [1, 1], data: [1] }] });
  const headers = { traceparent: `00-${traceId}-${CLIENT_SPAN}-01` };
  expect((await fetch(`${url}/v2/models/both/infer`, { method: "POST", body, headers })).status).toBe(200);
  const spans = (await receiver.until("InferRequest", 2)).filter((span) => span.traceId === traceId);
  const below = (parentId: string): readonly string[] =>
    spans.flatMap((span) => (span.parentId === parentId ? [span.name, ...below(span.spanId)] : []));
  return below(CLIENT_SPAN).filter((name) => name !== "queue" && name !== "compute");
}

describe("Triton's trace file", () => {
  test("has every third request with its timestamps in order, as the settings say at run time, until the count is used up", async () => {
    const file = path.join(folder, "trace.json");
    await using cluster = await startModelCluster(repository.folder, { "--trace-config": `triton,file=${file};triton,log-frequency=2` });
    await cluster.client.infer(request);
    const set = (settings: unknown) => fetch(`${cluster.url}/v2/trace/setting`, { method: "POST", body: JSON.stringify(settings) });
    await set({ trace_level: ["TIMESTAMPS"], trace_rate: "3", trace_count: "2" });
    for (let turn = 0; turn < 12; turn++) await cluster.client.infer(request);
    expect(await (await set({})).json()).toMatchObject({ trace_rate: "3", trace_count: "0", trace_mode: "triton", trace_file: file });
    await cluster[Symbol.asyncDispose]();
    const records = JSON.parse(readFileSync(`${file}.0`, "utf8"));
    expect(records.map(({ id }: { readonly id: number }) => id)).toEqual([1, 1, 2, 2]);
    const [about, { timestamps }] = records;
    expect(about).toEqual({ id: 1, model_name: "m", model_version: 1, request_id: "r-1" });
    const inOrder: readonly { readonly name: string; readonly ns: number }[] = timestamps.toSorted(
      (a: { ns: number }, b: { ns: number }) => a.ns - b.ns,
    );
    expect(inOrder.map(({ name }) => name)).toEqual([
      "HTTP_RECV_START",
      "HTTP_RECV_END",
      "REQUEST_START",
      "QUEUE_START",
      "COMPUTE_START",
      "COMPUTE_INPUT_END",
      "COMPUTE_OUTPUT_START",
      "COMPUTE_END",
      "INFER_RESPONSE_COMPLETE",
      "REQUEST_END",
      "HTTP_SEND_START",
      "HTTP_SEND_END",
    ]);
  });
});
