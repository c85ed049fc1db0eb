/** Every request that was recorded at Triton, byte for byte, and its answer. COMPATIBILITY.md says where and why ours differs. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { systemClock } from "../../core/clock.ts";
import { startMetricsServer } from "../../gateway/metrics/metrics-server.ts";
import { ScriptedModels } from "../support/scripted-models.ts";
import { parseReplies } from "./http-reply.ts";
import { startKserve } from "./kserve-models.ts";
import { RawClient } from "./raw-client.ts";
import { askAgain, CAPTURES, type CaptureFolder, comparable, DEVIATIONS, recordedNames, recordedReply } from "./recorded-http.ts";

const COMPATIBILITY = join(import.meta.dirname, "../../COMPATIBILITY.md");

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

async function ask(folder: CaptureFolder, name: string) {
  const models = new ScriptedModels({ mode: folder === "http" ? "none" : "explicit" });
  await BEFORE[name]?.(models);
  await using gateway = await startKserve({ models });
  await using metrics = await startMetricsServer({ host: "127.0.0.1", port: 0, clock: systemClock, metricsText: async () => "" });
  return await askAgain(folder, name, { http: gateway.port, metrics: metrics.port });
}

describe.each<CaptureFolder>(["http", "http_explicit"])("%s", (folder) => {
  test.each(recordedNames(folder))("%s is answered as Triton answered it, or as COMPATIBILITY.md says", async (name) => {
    const ours = await ask(folder, name);
    const deviation = DEVIATIONS[name];
    if (deviation !== undefined) {
      expect(comparable(name, ours)).toEqual(deviation);
      return;
    }
    const recorded = recordedReply(folder, name);
    expect(comparable(name, ours)).toEqual(comparable(name, recorded));
    for (const header of ["inference-header-content-length", "content-encoding"]) {
      expect(ours.headers.get(header)).toBe(recorded?.headers.get(header));
    }
  });
});

test("every answer that was recorded has its request here, and every request its answer, but where Triton gave none", () => {
  for (const folder of ["http", "http_explicit"] as const) {
    const answered = readdirSync(join(CAPTURES, folder)).filter((file) => !file.endsWith(".req"));
    const expected = recordedNames(folder).filter((name) => name !== "oversize_binary_68MB"); // it closed the connection
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
