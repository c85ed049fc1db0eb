/** Language models in a model repository: loaded, listed and unloaded like any other, several at once, and called by ensembles. */
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { GrpcClient } from "../../client/grpc/grpc-client.ts";
import type { InferRequest } from "../../client/infer-request.ts";
import type { InferResult } from "../../client/infer-result.ts";
import { tensor } from "../../client/tensor-input.ts";
import { talk } from "../models/ensembles.ts";
import { IDENTITY_TEXT } from "../models/sample-backends.ts";
import { realModelFolder } from "../support/real-model.ts";
import { type CompletionFields, complete, streamCompletion, WITHOUT_END } from "./completion-client.ts";
import { eventually, type ModelCluster, startModelCluster } from "./whole-models/model-cluster.ts";

const FLAGS = { "--model-control-mode": "explicit", "--nodes": "2" };
let repository: string;
let cluster: ModelCluster;

beforeAll(async () => {
  repository = mkdtempSync(path.join(tmpdir(), "nereid-repository-"));
  // As it was downloaded, and under a name of its own with settings.
  symlinkSync(realModelFolder(), path.join(repository, "bare"));
  mkdirSync(path.join(repository, "told", "1"), { recursive: true });
  copyFileSync(path.join(realModelFolder(), "1", "model.gguf"), path.join(repository, "told", "1", "model.gguf"));
  put("same", IDENTITY_TEXT);
  put("whole", talk("bare", "same", { streams: false })["config.pbtxt"]);
  put("pieces", talk("bare", "same", { streams: true })["config.pbtxt"]);
  configure({ pipeline_stages: "2", slots: "2", context_length: "512", threads: "1" });
  cluster = await startModelCluster(repository, FLAGS);
});
afterAll(async () => {
  await cluster?.[Symbol.asyncDispose]();
  rmSync(repository, { recursive: true });
});

function put(model: string, config: string): void {
  mkdirSync(path.join(repository, model), { recursive: true });
  writeFileSync(path.join(repository, model, "config.pbtxt"), config);
}

function configure(parameters: Readonly<Record<string, string>>, more = ""): void {
  const texts = Object.entries(parameters).map(([key, value]) => `parameters { key: "${key}" value { string_value: "${value}" } }`);
  put("told", `backend: "llm"\n${more}\n${texts.join("\n")}`);
}

const story: CompletionFields = { ...WITHOUT_END, prompt: "Once upon a time", max_tokens: 24 };
function asked(model: string, stream?: boolean): InferRequest {
  const inputs = [
    tensor("PROMPT", "BYTES", [1], ["Once upon a time"]),
    tensor("TOKENS", "INT32", [1], [24]),
    tensor("TEMPERATURE", "FP32", [1], [0]),
    ...(stream === undefined ? [] : [tensor("STREAM", "BOOL", [1], [stream])]),
  ];
  return { model, inputs };
}

async function textsOf(results: AsyncIterable<InferResult>): Promise<readonly string[]> {
  const texts: string[] = [];
  for await (const result of results) texts.push(...result.output("TEXT").strings());
  return texts;
}

/** Of the models that somebody has loaded. */
const states = async () =>
  (await cluster.client.repositoryIndex()).flatMap(({ name, state }) => (state === undefined ? [] : [`${name} ${state}`]));

/** Nodes on which a stage of the model is open. */
async function shards(model: string): Promise<readonly string[]> {
  const state: {
    readonly models: readonly { readonly name: string; readonly shards: readonly { readonly node: string; readonly state: string }[] }[];
  } = JSON.parse(await (await fetch(`${cluster.url}/console/state`)).text());
  const found = state.models.filter(({ name }) => name === model).flatMap((one) => one.shards);
  return found.filter((shard) => shard.state === "open").map(({ node }) => node);
}

describe("language models in the repository", () => {
  test("are listed before anybody has loaded them", async () => {
    expect((await cluster.client.repositoryIndex()).map(({ name }) => name)).toEqual(["bare", "pieces", "same", "told", "whole"]);
  });

  test("serve as soon as their load is answered, two at once, with the same bits on one stage and on two", async () => {
    await cluster.client.loadModel("bare");
    await cluster.client.loadModel("told");
    expect(await states()).toEqual(["bare READY", "told READY"]);
    const [bare, told] = await Promise.all(["bare", "told"].map((model) => complete(cluster.url, { ...story, model })));
    expect(bare?.text.length).toBeGreaterThan(10);
    expect(told).toEqual(bare);
    expect(new Set(await shards("told")).size).toBe(2);
    expect(await shards("bare")).toHaveLength(1); // as few as fit
    const { executionCount, inferenceStats } = await cluster.statistics("told");
    expect([executionCount, inferenceStats.success.count, inferenceStats.fail.count]).toEqual([1n, 1n, 0n]);
    expect(inferenceStats.computeInfer.ns).toBeGreaterThan(1_000_000n);
    expect(await cluster.metrics()).toMatch(/^nv_inference_request_success\{model="told",version="1"\} 1$/m);
  });

  test("are unloaded while another one streams, whose stream goes on; their processes end", async () => {
    const long = { ...story, max_tokens: 120 };
    const alone = await complete(cluster.url, { ...long, model: "bare" });
    const begun = Promise.withResolvers<void>();
    const streaming = streamCompletion(cluster.url, { ...long, model: "bare" }, { onPiece: () => begun.resolve() });
    await begun.promise;
    await cluster.client.unloadModel("told");
    await expect(complete(cluster.url, { ...story, model: "told" })).rejects.toThrow("told");
    expect(await streaming).toMatchObject({ text: alone.text, done: true });
    await eventually(
      () => shards("told"),
      (nodes) => nodes.length === 0,
    );
    expect(await states()).toEqual(["bare READY", "told UNAVAILABLE"]);
  });

  test("are steps of ensembles: whole texts where an ensemble hands on no stream, pieces where it does", async () => {
    await Promise.all(["whole", "pieces"].map((ensemble) => cluster.client.loadModel(ensemble)));
    expect(await states()).toEqual(["bare READY", "pieces READY", "same READY", "told UNAVAILABLE", "whole READY"]);
    const alone = await cluster.client.generate({
      model: "bare",
      inputs: { text_input: "Once upon a time", max_tokens: 24, temperature: 0 },
    });
    const whole = await cluster.client.infer(asked("whole"));
    expect(whole.output("TEXT").strings()).toEqual([alone["text_output"]]);
    await using grpc = new GrpcClient(cluster.grpcAddress);
    for (const client of [cluster.client, grpc]) {
      const pieces = await textsOf(client.inferStream(asked("pieces", true)));
      expect(pieces.length).toBeGreaterThan(10);
      expect(pieces.join("")).toBe(alone["text_output"]);
      expect(await textsOf(client.inferStream(asked("pieces", false)))).toEqual([alone["text_output"]]);
    }
  });

  test("give an ensemble the same text when their process dies in the middle", async () => {
    const expected = (await cluster.client.infer(asked("whole"))).output("TEXT").strings();
    const answers = cluster.client.inferStream(asked("pieces", true));
    const whole = cluster.client.infer(asked("whole"));
    const first = await answers.next();
    for (const pid of cluster.shardPids()) process.kill(pid, "SIGKILL");
    const pieces = [...(first.value?.output("TEXT").strings() ?? []), ...(await textsOf(answers))];
    expect(pieces.join("")).toBe(expected.join(""));
    expect((await whole).output("TEXT").strings()).toEqual(expected);
    expect(await cluster.metrics()).toMatch(/^nereid_runner_restarts_total\{model="bare"\} [1-9]/m);
  });

  test("refuse settings that make no sense, with what is allowed, and what serves goes on", async () => {
    configure({ slots: "none" });
    await expect(cluster.client.loadModel("told")).rejects.toThrow("failed to load 'told'");
    expect(await states()).toContain("told UNAVAILABLE");
    expect((await complete(cluster.url, { ...story, model: "bare" })).finishReason).toBe("length");
  });

  test("have as many replicas as their instance groups count, apart from each other", async () => {
    configure({ pipeline_stages: "1", slots: "1", context_length: "256", threads: "1" }, "instance_group [ { count: 2 } ]");
    await cluster.client.loadModel("told");
    const nodes = await eventually(
      () => shards("told"),
      (there) => there.length === 2,
    );
    expect(new Set(nodes).size).toBe(2);
    expect((await complete(cluster.url, { ...story, model: "told" })).finishReason).toBe("length");
  });
});

describe("models that clients have loaded", () => {
  test("are there again after a restart when they are to be remembered, and only then", async () => {
    const file = path.join(repository, "remembered.jsonl");
    const remembering = { ...FLAGS, "--remember-models": file };
    configure({ pipeline_stages: "1", slots: "1", context_length: "256", threads: "1" });
    {
      await using first = await startModelCluster(repository, remembering);
      await first.client.loadModel("told");
    }
    {
      await using second = await startModelCluster(repository, remembering);
      await eventually(
        () => second.client.repositoryIndex(),
        (index) => index.some(({ name, state }) => name === "told" && state === "READY"),
      );
    }
    await using third = await startModelCluster(repository, FLAGS);
    expect((await third.client.repositoryIndex()).map(({ state }) => state)).not.toContain("READY");
  });
});
