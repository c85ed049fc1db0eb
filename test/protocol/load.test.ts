/** Loads over real sockets: every way to the doors sends what the doors take, counts what comes back, and says why something failed. */
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { HttpClient } from "../../client/http/http-client.ts";
import { systemClock } from "../../core/clock.ts";
import { seededRandom } from "../../core/random.ts";
import type { LoadPlan } from "../../loadgen/load-plan.ts";
import type { Level } from "../../loadgen/measure.ts";
import { runLoad } from "../../loadgen/run.ts";
import { MAIN, run } from "../engine/cli/command.ts";
import { SCRIPTED_MODEL } from "../support/scripted-text.ts";
import { type ClientDoors, startClientDoors } from "./client-doors.ts";

const NEVER = new AbortController().signal;
let doors: ClientDoors;
let folder: string;

beforeAll(async () => {
  doors = await startClientDoors();
  folder = await mkdtemp(path.join(tmpdir(), "nereid-load-"));
});

afterAll(async () => {
  await doors?.[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

const REQUESTS = 40;

function plan(fields: Partial<Omit<LoadPlan, "measure">> & { readonly measure?: Partial<LoadPlan["measure"]> }): LoadPlan {
  const { protocol = "http" } = fields;
  return {
    model: "add_sub",
    version: undefined,
    url: new URL(protocol === "http" ? doors.httpAddress : `http://${doors.grpcAddress}`),
    protocol,
    service: "triton",
    endpoint: "",
    streaming: false,
    headers: {},
    levels: [{ kind: "concurrency", value: 3 }],
    latencyThresholdMs: undefined,
    data: { kind: "random" },
    shapes: new Map(),
    stringLength: 8,
    prompts: ["Hello sea"],
    maxTokens: 5,
    metrics: undefined,
    ...fields,
    measure: {
      windowMs: 0,
      windowRequests: REQUESTS,
      trialsMax: 2,
      stabilityPercent: 0,
      percentile: undefined,
      warmUpRequests: 5,
      distribution: "constant",
      channelsMax: 4,
      batchSize: 1,
      records: true,
      ...fields.measure,
    },
  };
}

async function load(fields: Parameters<typeof plan>[0]) {
  const begun: Level[] = [];
  const deps = { clock: systemClock, random: seededRandom(7n), begun: (level: Level) => begun.push(level), heard() {}, measured() {} };
  const { measurements } = await runLoad(plan(fields), deps, NEVER);
  return { measurements, begun };
}

const WAYS = [
  { way: "HTTP", protocol: "http", streaming: false },
  { way: "gRPC", protocol: "grpc", streaming: false },
  { way: "a gRPC stream", protocol: "grpc", streaming: true },
] as const;

describe.each(WAYS)("a load over $way", ({ protocol, streaming }) => {
  test("gets an answer to each request, and says what the server says of them", async () => {
    const before = doors.models.requests.length;
    const { measurements } = await load({ protocol, streaming });
    const [{ window, server } = { window: undefined, server: undefined }] = measurements;
    expect(window?.failures).toBe(0);
    expect(window?.latenciesMs.length).toBeGreaterThanOrEqual(2 * REQUESTS);
    expect(window?.records).toHaveLength(window?.latenciesMs.length ?? 0);
    const sent = doors.models.requests.slice(before);
    expect(sent.length).toBeGreaterThanOrEqual((window?.latenciesMs.length ?? 0) + 5);
    expect(sent[0]?.inputs.map(({ name, shape }) => [name, shape])).toEqual([
      ["INPUT0", [4]],
      ["INPUT1", [4]],
    ]);
    expect(server?.successes).toBeGreaterThanOrEqual(2 * REQUESTS);
  });

  test("takes requests that pass the windows of HTTP/2 and the pieces of a socket", async () => {
    const shapes = new Map([["INPUT0", [300_000]]]);
    const { measurements } = await load({ protocol, streaming, model: "identity_fp32", shapes, measure: { windowRequests: 6 } });
    expect(measurements[0]?.window.failures).toBe(0);
    expect(doors.models.requests.at(-1)?.inputs[0]?.data.byteLength).toBe(1_200_000);
  });

  test("stops when nothing but refusals comes, with the first one's words", async () => {
    const shapes = new Map([["INPUT0", [5]]]); // the model wants 4
    await expect(load({ protocol, streaming, shapes })).rejects.toThrow(/no request was answered at concurrency 3: \S+/);
  });
});

describe("a load", () => {
  test("sends batches of the data that a file gives, in turn", async () => {
    const text = JSON.stringify({ data: [{ INPUT0: [1, 2] }, { INPUT0: [3, 4] }, { INPUT0: [5, 6] }] });
    const before = doors.models.requests.length;
    await load({
      model: "identity_fp32",
      data: { kind: "file", text },
      measure: { batchSize: 2 },
      shapes: new Map([["INPUT0", [2]]]),
      levels: [{ kind: "concurrency", value: 1 }],
    });
    const values = doors.models.requests
      .slice(before, before + 4)
      .map(({ inputs: [input] }) => [...new Float32Array(Uint8Array.from(input?.data ?? []).buffer)]);
    expect(values).toEqual([
      [1, 2, 3, 4],
      [5, 6, 1, 2],
      [3, 4, 5, 6],
      [1, 2, 3, 4],
    ]);
  });

  test("of a rate sends as many a second, and times each from when it was due", async () => {
    const { measurements } = await load({ levels: [{ kind: "request-rate", value: 400 }], measure: { distribution: "poisson" } });
    const [{ window } = { window: undefined }] = measurements;
    expect(window?.failures).toBe(0);
    expect(window?.lagsMs.every((lagMs, index) => lagMs >= 0 && lagMs <= (window.latenciesMs[index] ?? 0))).toBe(true);
  });

  test("of given intervals sends at their pace", async () => {
    const { measurements } = await load({
      levels: [{ kind: "request-rate", value: 500 }],
      measure: { gapsMs: [1, 3], windowRequests: 20, trialsMax: 1, channelsMax: 1 },
    });
    const { records = [], lagsMs = [] } = measurements[0]?.window ?? {};
    const due = records.map(({ sentMs }, index) => sentMs - (lagsMs[index] ?? 0));
    const gaps = due.slice(1).map((ms, index) => Math.round(1_000 * (ms - (due[index] ?? 0))));
    expect(gaps.length).toBeGreaterThanOrEqual(19);
    expect(new Set(gaps)).toEqual(new Set([1_000, 3_000]));
    expect(gaps.every((gap, index) => gap !== gaps[index + 1])).toBe(true);
    expect(measurements[0]?.isStable, "one window that was asked for").toBe(true);
  });

  test.each(["http", "grpc"] as const)("goes through shared memory over %s, and leaves none behind", async (protocol) => {
    const before = doors.models.requests.length;
    const { measurements } = await load({ protocol, shared: { outputBytes: 64 }, parameters: { mine: 5n } });
    expect(measurements[0]?.window.failures).toBe(0);
    const [first] = doors.models.requests.slice(before);
    expect(first?.inputs.map(({ data }) => data.byteLength)).toEqual([16, 16]);
    expect(first?.parameters.get("mine")).toBe(5n);
    await using client = new HttpClient(doors.httpAddress);
    expect(await client.systemSharedMemory()).toEqual([]);
    expect((await readdir("/dev/shm")).filter((name) => name === `nereid-bench-${process.pid}`)).toEqual([]);
  });

  test("leaves higher levels out once one has passed the latency threshold", async () => {
    const levels = [1, 2, 4].map((value) => ({ kind: "concurrency" as const, value }));
    const { begun } = await load({ levels, latencyThresholdMs: 0 });
    expect(begun).toEqual(levels.slice(0, 1));
  });

  test("on a language model times tokens", async () => {
    const { measurements } = await load({ service: "generate", model: SCRIPTED_MODEL, measure: { windowRequests: 4, warmUpRequests: 0 } });
    const [{ window } = { window: undefined }] = measurements;
    expect(window?.texts.length).toBe(window?.latenciesMs.length);
    expect(window?.texts.every(({ tokens, firstTokenMs, interTokenMs = -1 }) => tokens > 3 && firstTokenMs > 0 && interTokenMs >= 0)).toBe(
      true,
    );
  });

  test("on a model that there is not says the server's words", async () => {
    await expect(load({ model: "nothing" })).rejects.toThrow("Request for unknown model: 'nothing' is not found");
  });
});

describe("nereid bench", () => {
  test("prints each level and the summary, and writes CSV, JSON and a profile", async () => {
    const [csv, json, profile] = ["levels.csv", "levels.json", "profile.json"].map((name) => path.join(folder, name)) as [
      string,
      string,
      string,
    ];
    const flags = ["-m", "add_sub", "-u", doors.grpcAddress, "-i", "grpc", "--concurrency-range", "1:2", "-p", "30", "-r", "3"];
    const files = ["-f", csv, "--json", json, "--profile-export-file", profile];
    const { code, stdout, stderr } = await run([MAIN, "bench", ...flags, ...files]);
    expect(code, stderr).toBe(0);
    expect(stdout).toMatch(
      /Request concurrency: 1[\s\S]*Request concurrency: 2[\s\S]*Inferences\/Second vs\. Client Average Batch Latency/,
    );
    expect((await readFile(csv, "utf8")).trim().split("\n")).toHaveLength(3);
    expect(JSON.parse(await readFile(json, "utf8")).levels).toHaveLength(2);
    expect(JSON.parse(await readFile(profile, "utf8")).experiments[1].requests.length).toBeGreaterThan(0);
  });

  test("says what is missing and ends with 1", async () => {
    expect(await run([MAIN, "bench"])).toMatchObject({ code: 1, stderr: expect.stringContaining("-m add_sub") });
    const nobody = await run([MAIN, "bench", "-m", "add_sub", "-u", "127.0.0.1:1"]);
    expect(nobody).toMatchObject({ code: 1, stderr: expect.stringContaining("127.0.0.1:1") });
  });
});
