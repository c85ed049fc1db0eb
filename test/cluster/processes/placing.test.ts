/**
 * Three nodes, a pipeline of three stages and five small models: a node that comes without any files takes work, one that is drained loses
 * it, a version takes another's place, and clients notice nothing.
 */
import path from "node:path";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { HttpClient } from "../../../client/http/http-client.ts";
import { tensor } from "../../../client/tensor-input.ts";
import type { ConsoleState } from "../../../gateway/console/state.ts";
import { MAIN, run } from "../../engine/cli/command.ts";
import { addSub } from "../../models/small-models.ts";
import { isReady, ProcessCluster } from "../../support/process-cluster.ts";
import { realModelFolder } from "../../support/real-model.ts";
import { type ShardCache, shardCache } from "../../support/replica.ts";
import { type CompletionFields, complete, WITHOUT_END } from "../completion-client.ts";
import { ModelRepository } from "../whole-models/model-repository.ts";

const SOON = { interval: 100, timeout: 90_000 };
const SMALL = ["one", "two", "three", "four", "five"];
const STORY: CompletionFields = { ...WITHOUT_END, prompt: "Once upon a time", max_tokens: 64 };

const repository = new ModelRepository();
const LABELED = { "config.pbtxt": 'parameters { key: "node_labels" value { string_value: "zone=b" } }' };
const nothing = new ModelRepository();
const repositories = ["--models", path.dirname(realModelFolder()), "--models", repository.folder];
let cache: ShardCache;
let cluster: ProcessCluster;
let url: string;
let client: HttpClient;

beforeAll(async () => {
  for (const name of SMALL) repository.put(name, { "1/model.onnx": addSub([2], "i32"), ...(name === "five" && LABELED) });
  cache = await shardCache();
  cluster = await ProcessCluster.start({ cache, stages: 3 });
  const gateway = cluster.gateway(...repositories, "--model-control-mode", "explicit", "--load-model", "*");
  for (const node of ["node-1", "node-2", "node-3"])
    cluster.agent(node, ...repositories, ...(node === "node-2" ? ["--labels", "zone=b"] : []));
  url = await gateway.url;
  client = new HttpClient(url, { timeoutMs: 60_000 });
  await vi.waitFor(async () => expect(await isReady(url)).toBe(true), SOON);
});
afterAll(async () => {
  await cluster?.[Symbol.asyncDispose]();
  await cache?.[Symbol.asyncDispose]();
  repository[Symbol.dispose]();
  nothing[Symbol.dispose]();
});

/** By node: its state, and what is there. */
async function placement(): Promise<ReadonlyMap<string, { readonly state: string; readonly there: readonly string[] }>> {
  const { nodes, models }: ConsoleState = JSON.parse(await (await fetch(`${url}/console/state`)).text());
  const stages = (node: string) =>
    models.flatMap(({ shards }) => shards.filter((shard) => shard.node === node).map(({ stage }) => `${stage}`));
  return new Map(
    nodes.map(({ node, state, models: whole }) => [node, { state, there: [...stages(node), ...whole.map(({ model }) => model)] }]),
  );
}

/** Clients that ask all models again and again until they are told to stop; the first wrong or failed answer ends them with an error. */
function load(story: string) {
  const stop = new AbortController();
  let answered = 0;
  const asking = async (ask: () => Promise<void>) => {
    for (; !stop.signal.aborted; answered++) await ask();
  };
  const sums = (model: string) => async () => {
    const result = await client.infer({ model, inputs: ["INPUT0", "INPUT1"].map((name) => tensor(name, "INT32", [2], [3, 4])) });
    expect([...result.output("OUTPUT0").as("INT32")]).toEqual([6, 8]);
  };
  const told = async () => expect((await complete(url, STORY)).text).toBe(story);
  const running = Promise.all([asking(told), asking(told), ...SMALL.map((model) => asking(sums(model)))]);
  running.catch(() => {}); // told at the end
  return async () => {
    stop.abort();
    await running;
    return answered;
  };
}

test("with requests on their way to every model, none fails and every text is what it would have been", { timeout: 180_000 }, async () => {
  const before = await placement();
  const counts = [...before.values()].map(({ there }) => there.length).toSorted();
  expect([
    [2, 3, 3],
    [2, 2, 4],
  ]).toContainEqual(counts); // the model that asks for node-2's label may be the last that comes
  expect([...before.values()].flatMap(({ there }) => there).toSorted()).toEqual(["0", "1", "2", ...SMALL].toSorted());
  const { text } = await complete(url, STORY);
  const end = load(text);

  cluster.agent("node-4", "--models", nothing.folder);
  await vi.waitFor(async () => expect((await placement()).get("node-4")?.there.length).toBe(2), SOON);

  const drained = await run([MAIN, "drain", "node-1", "--url", url]);
  expect(drained, drained.stderr).toMatchObject({ code: 0, stdout: "node-1 is drained: nothing is there any more\n" });
  const after = await placement();
  expect(after.get("node-1")).toEqual({ state: "drained", there: [] });
  expect(new Set([...after.values()].flatMap(({ there }) => there))).toEqual(new Set(["0", "1", "2", ...SMALL]));
  const { stdout } = await cluster.status(url);
  expect(stdout).toMatch(/^node-1 +drained .* nothing$/m);
  expect(stdout).toMatch(/^node-2 .* zone=b .*five version 1/m);

  expect(await run([MAIN, "drain", "node-1", "--undo", "--url", url])).toMatchObject({ code: 0 });
  await vi.waitFor(async () => expect((await placement()).get("node-1")?.there.length).toBeGreaterThan(0), SOON);

  repository.put("one", { "2/model.onnx": addSub([2], "i32") });
  expect(await fetch(`${url}/v2/repository/models/one/load`, { method: "POST" })).toMatchObject({ status: 200 });
  expect(await (await fetch(`${url}/v2/models/one`)).json()).toMatchObject({ versions: ["2"] });
  expect(await end()).toBeGreaterThan(50);
});

test("a node that nobody knows cannot be drained", async () => {
  const refused = await run([MAIN, "drain", "nobody", "--url", url]);
  expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining("there is no node nobody here") });
});
