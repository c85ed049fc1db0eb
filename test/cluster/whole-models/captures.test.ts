/**
 * Every request and call that was recorded at Triton, sent to `nereid up` with the very models that Triton had then: what
 * test/protocol/kserve-captures.test.ts and grpc-captures.test.ts hold the doors to, with all that is behind them.
 */
import { readFileSync } from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { asJson } from "../../protocol/grpc-client.ts";
import { callAgain, GRPC_CAPTURES, GRPC_DEVIATIONS, messageOf, recordedCall, recordedCalls } from "../../protocol/recorded-grpc.ts";
import {
  type Answer,
  askAgain,
  type CaptureFolder,
  comparable,
  DEVIATIONS,
  recordedNames,
  recordedReply,
} from "../../protocol/recorded-http.ts";
import { pythonWithPackages } from "../../support/python.ts";
import { eventually, type ModelCluster, startModelCluster } from "./model-cluster.ts";

const MODELS = path.join(import.meta.dirname, "../../golden/captures-models");

async function startAsRecorded(flags: Readonly<Record<string, string>>): Promise<ModelCluster> {
  return await startModelCluster(MODELS, {
    "--nodes": "1",
    "--id": "triton",
    "--log-level": "info",
    "--allow-client-shm": "true",
    "--response-cache-bytes": "1M",
    "--python": await pythonWithPackages(),
    ...flags,
  });
}

const portOf = (address: string) => Number(address.slice(address.lastIndexOf(":") + 1));
const without = (part: string) => (text: string) => text.replace(part, "");

/** What a whole server answers otherwise than the doors alone; COMPATIBILITY.md says why. */
const OTHERWISE: Readonly<Record<string, (recorded: string) => string>> = {
  config_ens: (text) => text.replace('"model_namespace":""}]}', '"model_namespace":""}],"max_inflight_requests":0}'), // a newer field
  infer_json_ens: without('"parameters":{"sequence_id":0,"sequence_start":false,"sequence_end":false},'),
  infer_json_add_sub_rev: (text) => text.replace(/"outputs":\[(\{.*?\}),(\{.*?\})\]/, '"outputs":[$2,$1]'), // as they were asked for
};

/** Versions, places of files and sizes of processes are each server's own. */
function neutral({ status, body }: Answer): Answer {
  const text = body.replaceAll(`${MODELS}/`, "/models/").replaceAll(/"memory_usage":\[.*?\]/g, '"memory_usage":[]');
  return { status, body: text.replace(/("name":"triton","version":)"[\d.]+"/, "$1") };
}

async function expectAsRecorded(cluster: ModelCluster, folder: CaptureFolder, name: string): Promise<void> {
  const ports = { http: portOf(cluster.url), metrics: portOf(cluster.metricsAddress) };
  const ours = await askAgain(folder, name, ports);
  const answer = neutral(comparable(name, ours));
  const deviation = DEVIATIONS[name];
  if (deviation !== undefined) {
    expect(answer).toEqual(deviation);
    return;
  }
  const recorded = recordedReply(folder, name);
  const expected = neutral(comparable(name, recorded));
  expect(answer).toEqual({ ...expected, body: OTHERWISE[name]?.(expected.body) ?? expected.body });
  for (const header of ["inference-header-content-length", "content-encoding"])
    expect(ours.headers.get(header)).toBe(recorded?.headers.get(header));
}

describe("a server that has loaded all of its models", () => {
  let cluster: ModelCluster;

  beforeAll(async () => {
    cluster = await startAsRecorded({ "--exit-on-error": "false" });
  });

  afterAll(() => cluster?.[Symbol.asyncDispose]());

  /** The page of the console, which Triton does not have; and numbers, below. */
  const others = ["root", "metrics"];

  test.each(recordedNames("http").filter((name) => !others.includes(name)))("answers %s as Triton did", async (name) => {
    await expectAsRecorded(cluster, "http", name);
  });

  test("has all of Triton's series for all of its models, with the same labels", async () => {
    const series = (text: string) => [...text.matchAll(/^(nv_(?:inference|model|cache)_\w+(?:\{.*?\})?) /gm)].map(([, name]) => name);
    const ours = new Set(series(await cluster.metrics()));
    const recorded = series(recordedReply("http", "metrics")?.body.toString() ?? "");
    expect(recorded.length).toBeGreaterThan(50);
    const missing = ["nv_cache_lookup_duration", "nv_cache_insertion_duration"]; // as COMPATIBILITY.md says
    expect(recorded.filter((name) => !ours.has(name))).toEqual(missing);
  });

  test.each(recordedCalls())("answers the call %s as Triton did", async (name) => {
    const ours = await callAgain(portOf(cluster.grpcAddress), name);
    const { method, code, details, request, response } = { ...recordedCall(name), ...GRPC_DEVIATIONS[name] };
    expect([ours.code, ours.details.replaceAll(`${MODELS}/`, "/models/")]).toEqual([code, details]);
    if (GRPC_DEVIATIONS[name] !== undefined) return;
    if (request === "large") {
      expect(ours.messages.map(({ byteLength }) => ({ bytes: byteLength }))).toEqual(response);
      return;
    }
    const { output } = messageOf(method);
    const recorded = response.map((_, index) => readFileSync(path.join(GRPC_CAPTURES, `${name}.${index}.bin`)));
    const read = (message: Uint8Array) => withoutCounts(name, Object(asJson(output, message)));
    expect(ours.messages.map(read)).toEqual(recorded.map(read));
  });

  function withoutCounts(name: string, message: Readonly<Record<string, unknown>>): unknown {
    if (name === "server_metadata") return { ...message, version: "" };
    if (name === "infer_ens") return { ...message, parameters: undefined };
    if (!name.startsWith("stats_")) return message;
    return JSON.parse(JSON.stringify(message), (key, value: unknown) => (NUMBERS.has(key) ? undefined : value));
  }
  const NUMBERS = new Set(["count", "ns", "last_inference", "inference_count", "execution_count", "batch_stats", "memory_usage"]);
});

test("a server that loads as it is told answers every request as Triton did, in a story that has them all", async () => {
  await using cluster = await startAsRecorded({ "--model-control-mode": "explicit" });
  const { client } = cluster;
  const unloadedWholly = async () => {
    await client.unloadModel("identity_fp32"); // whoever asked for it by name unloads it by name
    await expectAsRecorded(cluster, "http_explicit", "unload_deps");
    await eventually(
      () => client.repositoryIndex(),
      (rows) => rows.every(({ state }) => state === undefined || state === "UNAVAILABLE"),
    );
  };
  const story = [
    ...["ready0", "index0", "load_ok", "load_ens"],
    () => expect(client.loadModel("broken")).rejects.toThrow("version 1 is at UNAVAILABLE state: Internal: ModuleNotFoundError: "),
    ...["ready1", "index1", "load_again", "load_unknown", "load_bad_config", "load_bad_param", "load_badjson", "load_get"],
    ...["load_override", "config_override", "unload_unknown"],
    unloadedWholly,
    ...["infer_unloaded", "ready_unloaded", "stats_unloaded", "index2", "index3", "ready2"],
  ];
  for (const step of story) await (typeof step === "string" ? expectAsRecorded(cluster, "http_explicit", step) : step());
  const told = story.filter((step) => typeof step === "string");
  expect([...told, "unload_deps"].toSorted()).toEqual(recordedNames("http_explicit"));
});
