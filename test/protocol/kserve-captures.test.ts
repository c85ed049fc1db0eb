/** Every request that was recorded at Triton, byte for byte, and its answer. COMPATIBILITY.md says where and why ours differs. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { systemClock } from "../../core/clock.ts";
import { startMetricsServer } from "../../gateway/http/metrics-server.ts";
import { ScriptedModels } from "../support/scripted-models.ts";
import { type HttpReply, parseReplies } from "./http-reply.ts";
import { startKserve } from "./kserve-models.ts";
import { RawClient } from "./raw-client.ts";

const CAPTURES = join(import.meta.dirname, "../golden/captures");
const COMPATIBILITY = join(import.meta.dirname, "../../COMPATIBILITY.md");

interface Ours {
  readonly status: number;
  readonly body: string;
}

const error = (status: number, message: string): Ours => ({ status, body: JSON.stringify({ error: message }) });
const tooLarge = (bytes: number) =>
  error(
    400,
    `request JSON size of ${bytes} bytes exceeds the maximum allowed input size of 67108864 bytes. ` +
      "Use --http-max-input-size to increase the limit.",
  );

/** What is answered instead, for the captures that COMPATIBILITY.md lists. */
const DEVIATIONS: Readonly<Record<string, Ours>> = {
  err_dup_output: error(400, "[request id: <id_unknown>] output 'OUTPUT0' already exists in request"),
  err_extra_input: error(
    400,
    "[request id: <id_unknown>] expected 1 inputs but got 2 inputs for model 'identity_fp32'. Got input(s) ['INPUT0','ZZ'], but missing " +
      "required input(s) []. Please provide all required input(s).",
  ),
  err_gzip_bad: error(400, "failed to decompress the request body: it is not gzip"),
  err_ihcl_bad: error(400, "Unable to parse Inference-Header-Content-Length, got: abc"),
  err_ihcl_huge: error(
    400,
    "Unable to parse Inference-Header-Content-Length, value is out of range [ -2147483648, 2147483647 ], got: 99999999999999999999",
  ),
  err_shape_overflow: error(
    400,
    "invalid shape for input 'INPUT0': shape [1,9223372036854775807,4] causes total element count to exceed maximum size of " +
      "9223372036854775807",
  ),
  garbage: error(400, "the request is not HTTP/1.1"),
  generate_stream_err: error(
    500,
    "Failed to process the request(s) for model 'raises_0_0', message: ValueError: boom\n\nAt:\n  /models/raises/1/model.py(4): execute\n",
  ),
  head_v2: { status: 405, body: "" },
  metrics: { status: 200, body: "" },
  oversize_binary_68MB: tooLarge(68_000_177),
  oversize_claimed_only: tooLarge(99_999_999_999),
  oversize_json_68MB: tooLarge(68_000_013),
};

/** What the server was asked before, where an answer depends on it. */
const BEFORE: Readonly<Record<string, (models: ScriptedModels) => Promise<void>>> = {
  ready1: loadAndBreak,
  index1: loadAndBreak,
  load_again: (models) => models.load("identity_fp32", NO_FILES),
  config_override: (models) => models.load("identity_fp32", { config: '{"max_batch_size":2}', files: new Map() }),
  infer_unloaded: unloadAll,
  ready_unloaded: unloadAll,
  stats_unloaded: unloadAll,
  index2: unloadAll,
  index3: unloadAll,
  ready2: unloadAll,
};

const NO_FILES = { files: new Map<string, Uint8Array>() };

async function loadAndBreak(models: ScriptedModels): Promise<void> {
  await models.load("identity_fp32", NO_FILES);
  await models.load("ens", NO_FILES);
  await expect(models.load("broken", NO_FILES)).rejects.toThrow("load failed for model 'broken'");
}

async function unloadAll(models: ScriptedModels): Promise<void> {
  await loadAndBreak(models);
  await models.unload("ens", { dependents: true });
}

function names(folder: string): readonly string[] {
  const files = readdirSync(join(CAPTURES, folder)).filter((file) => file.endsWith(".req"));
  return files.map((file) => file.slice(0, -".req".length)).sort();
}

/** Sends the recorded bytes on a connection of their own. @returns the first answer: no more were recorded */
async function ask(folder: string, name: string): Promise<HttpReply> {
  const models = new ScriptedModels({ mode: folder === "http" ? "none" : "explicit" });
  await BEFORE[name]?.(models);
  await using gateway = await startKserve({ models });
  await using metrics = await startMetricsServer({ host: "127.0.0.1", port: 0, clock: systemClock, metricsText: async () => "" });
  // The recorder's Host `x` is refused on a loopback address (COMPATIBILITY.md).
  const request = readFileSync(join(CAPTURES, folder, `${name}.req`), "latin1").replaceAll("\r\nHost: x\r\n", "\r\nHost: localhost\r\n");
  const isMetrics = request.includes("\r\nHost: localhost:8002\r\n");
  using client = await RawClient.open(isMetrics ? metrics.port : gateway.port);
  client.send(Buffer.from(request, "latin1"));
  for (let bytes = ""; ; ) {
    bytes += await client.until(/./s);
    const [reply] = parseReplies(Buffer.from(bytes, "latin1"), { isHead: request.startsWith("HEAD") });
    if (reply !== undefined) return reply;
  }
}

/** Numbers that a clock or a count made are all one. */
function comparable(name: string, body: string): string {
  if (!name.includes("stats")) return body;
  return body
    .replaceAll(/:\d+/g, ":0")
    .replaceAll(/"batch_stats":\[.*?\],"memory_usage"/g, '"batch_stats":[],"memory_usage"')
    .replaceAll(/"response_stats":\{.*?\},"batch_stats"/g, '"response_stats":{},"batch_stats"');
}

describe.each(["http", "http_explicit"])("%s", (folder) => {
  test.each(names(folder))("%s is answered as Triton answered it, or as COMPATIBILITY.md says", async (name) => {
    const ours = await ask(folder, name);
    const answer = { status: ours.status, body: comparable(name, ours.body.toString("latin1")) };
    const deviation = DEVIATIONS[name];
    if (deviation !== undefined) {
      expect(answer).toEqual(deviation);
      return;
    }
    const recorded = parseReplies(readFileSync(join(CAPTURES, folder, `${name}.res`)), { isRecorded: true })[0];
    expect(answer).toEqual({ status: recorded?.status, body: comparable(name, recorded?.body.toString("latin1") ?? "") });
    for (const header of ["inference-header-content-length", "content-encoding"]) {
      expect(ours.headers.get(header)).toBe(recorded?.headers.get(header));
    }
  });
});

test("every answer that was recorded has its request here, and every request its answer, but where Triton gave none", () => {
  for (const folder of ["http", "http_explicit"]) {
    const answered = readdirSync(join(CAPTURES, folder)).filter((file) => !file.endsWith(".req"));
    const expected = names(folder).filter((name) => name !== "oversize_binary_68MB"); // it closed the connection
    expect(answered.toSorted()).toEqual(expected.map((name) => `${name}.res`));
  }
});

test("COMPATIBILITY.md lists the captures that are answered otherwise, and no others", () => {
  const table = /<!-- captures -->\n([\s\S]*?)<!-- \/captures -->/.exec(readFileSync(COMPATIBILITY, "utf8"))?.[1] ?? "";
  const listed = [...table.matchAll(/^\| `([^|]+)` \|/gm)].flatMap(([, cell = ""]) => cell.split("`, `"));
  expect(listed.toSorted()).toEqual(Object.keys(DEVIATIONS).toSorted());
});

test("pipelined requests are answered in order on one connection", async () => {
  await using gateway = await startKserve();
  using client = await RawClient.open(gateway.port);
  const get = (path: string) => `GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`;
  client.send(get("/v2/models/nope"), get("/v2/health/live"), get("/v2/models/ens/ready"));
  let bytes = "";
  while (parseReplies(Buffer.from(bytes, "latin1")).length < 3) bytes += await client.until(/./s);
  expect(parseReplies(Buffer.from(bytes, "latin1")).map(({ status }) => status)).toEqual([404, 200, 200]);
});
