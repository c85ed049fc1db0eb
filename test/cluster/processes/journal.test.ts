/** Gateway and lead are killed at once, and nobody has a copy but Redis, which cannot read it: the stream goes on all the same. */
import { randomBytes } from "node:crypto";
import { constants, copyFile, mkdir, mkdtempDisposable, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { Redis } from "ioredis";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { GrpcClient } from "../../../client/grpc/grpc-client.ts";
import type { InferRequest } from "../../../client/infer-request.ts";
import { tensor } from "../../../client/tensor-input.ts";
import { journaledGeneration } from "../../../core/messages/journal-entries.ts";
import { JournalKeys } from "../../../core/store/journals/journal-seal.ts";
import { journalOf } from "../../../core/store/journals/redis.ts";
import { MAIN, run, start } from "../../engine/cli/command.ts";
import { ended, isReady, ProcessCluster } from "../../support/process-cluster.ts";
import { realModelFolder } from "../../support/real-model.ts";
import { type RealServer, startRedis } from "../../support/real-servers.ts";
import { type ShardCache, shardCache } from "../../support/replica.ts";
import { complete, streamCompletion, WITHOUT_END } from "../completion-client.ts";

const SOON = { interval: 50, timeout: 60_000 };
const SAID = "never to be said";
const LONG = { ...WITHOUT_END, prompt: "Once upon a time there was a fisherman", max_tokens: 160, temperature: 0.8, seed: 3, stop: [SAID] };
/** Of tokens: a journal that was never written to would not do. */
const KILLED_AT = 80;

let cache: ShardCache;
let redis: RealServer;
beforeAll(async () => {
  cache = await shardCache();
  redis = await startRedis();
});
afterAll(async () => {
  await redis?.[Symbol.asyncDispose]();
  await cache?.[Symbol.asyncDispose]();
});

test("a stream whose gateway and lead are killed at once goes on token for token from its journal, which shows nothing of it", async () => {
  await using folder = await mkdtempDisposable(path.join(tmpdir(), "nereid-journal-"));
  const keyFile = path.join(folder.path, "key");
  const key = randomBytes(32).toString("base64");
  await writeFile(keyFile, `${key}\n`);
  await using cluster = await ProcessCluster.start({ cache, stages: 1 });
  const flags = ["--redis-url", redis.url, "--journal", "on", "--journal-key-file", keyFile];
  const start = async () => {
    const [gateway, agent] = [cluster.gateway(...flags), cluster.agent("node-1", ...flags)];
    const url = await gateway.url;
    return { gateway, agent, url };
  };
  const first = await start();
  await vi.waitFor(async () => expect(await isReady(first.url)).toBe(true), SOON);
  const whole = await complete(first.url, LONG);
  let url = "http://127.0.0.1:9"; // nobody is there until they have been started again
  let restarted: Promise<void> | undefined;
  const onPiece = (count: number) => {
    if (count === KILLED_AT) restarted = killed();
  };
  const killed = async () => {
    await Promise.all([ended(first.gateway.process, "SIGKILL"), ended(first.agent, "SIGKILL")]);
    await expectSealed(redis.url, key);
    url = (await start()).url;
  };
  const resumed = await streamCompletion(first.url, LONG, { onPiece, resumeAt: () => url });
  await restarted;
  expect(resumed).toEqual({ ...whole, error: undefined, done: true });
});

/** Nothing in Redis is, or holds, what only the journal's key opens. */
async function expectSealed(url: string, key: string): Promise<void> {
  const connection = new Redis(url);
  try {
    const names = await connection.keys("*");
    const journals = names.filter((name) => name.startsWith("nereid:journal:"));
    expect(journals).toHaveLength(1);
    const [name = ""] = journals;
    const stored = await connection.callBuffer("HGETALL", name);
    const journal = journalOf(stored);
    if (journal === undefined) throw new Error("the journal has gone");
    const generation = Buffer.from(name.split(":")[2] ?? "", "base64url").toString();
    const keys = new JournalKeys(key);
    const opened = journal.entries.map((entry, at) => keys.open({ generation, fence: journal.fence }, at, entry));
    const { submit, tokens } = journaledGeneration(opened);
    expect(tokens.length).toBeGreaterThan(0);
    expect(tokens.length).toBeLessThanOrEqual(160);
    const ids = [submit.promptIds.subarray(0, 4), Int32Array.from(tokens.slice(0, 4), ({ id }) => id)];
    const secrets = [Buffer.from(SAID), Buffer.from("fisherman"), ...ids.map((some) => Buffer.from(some.slice().buffer))];
    for (const one of names) {
      const kind = await connection.type(one);
      expect(["hash", "string"], one).toContain(kind);
      const value = kind === "hash" ? await connection.callBuffer("HGETALL", one) : await connection.getBuffer(one);
      const bytes = Buffer.concat([Buffer.from(one), ...[value].flat().map((part) => Buffer.from(part as Buffer))]);
      for (const secret of secrets) expect(bytes.includes(secret), one).toBe(false);
    }
  } finally {
    connection.disconnect();
  }
}

const TOLD: InferRequest = {
  model: "told",
  inputs: [
    tensor("text_input", "BYTES", [1], ["1, 2, 3, 4, 5, 6, 7, 8, 9,"]), // nothing ends that
    tensor("max_tokens", "INT32", [1], [LONG.max_tokens]),
    tensor("temperature", "FP32", [1], [0]),
  ],
};

interface Pieces {
  readonly texts: readonly string[];
  /** Of the last one. */
  readonly event: string;
}

/** The stream's pieces until it ends or breaks off; `failed` says which. */
async function pieces(address: string, parameters: InferRequest["parameters"]): Promise<Pieces & { readonly failed: boolean }> {
  await using client = new GrpcClient(address);
  const texts: string[] = [];
  let event = "";
  try {
    for await (const result of client.inferStream({ ...TOLD, parameters: { ...parameters } })) {
      event = String(result.parameters.get("event_id"));
      texts.push(...result.output("text_output").strings());
    }
    return { texts, event, failed: false };
  } catch {
    return { texts, event, failed: true };
  }
}

/** A repository with the real model, whose streams are written down whatever the program says. */
async function journaledModel(root: string): Promise<string> {
  const repository = path.join(root, "models");
  await mkdir(path.join(repository, "told", "1"), { recursive: true });
  const file = path.join("1", "model.gguf");
  await copyFile(path.join(realModelFolder(), file), path.join(repository, "told", file), constants.COPYFILE_FICLONE);
  const config = 'backend: "llm"\nparameters { key: "journal" value { string_value: "on" } }\n';
  await writeFile(path.join(repository, "told", "config.pbtxt"), config);
  return repository;
}

test("a stream of `nereid up` goes on byte for byte after SIGKILL and a new start, over HTTP and gRPC, where its model asks for a journal", async () => {
  await using folder = await mkdtempDisposable(path.join(tmpdir(), "nereid-up-"));
  const keyFile = path.join(folder.path, "key");
  await writeFile(keyFile, `${randomBytes(32).toString("base64")}\n`);
  const models = ["--models", await journaledModel(folder.path), "--cache", cache.folder, "--model", "none", "--nodes", "1"];
  const ports = ["--port", "0", "--grpc-port", "0", "--metrics-port", "0", "--log-level", "warn"];
  const journal = ["--redis-url", redis.url, "--journal", "off", "--journal-key-file", keyFile];
  const up = async () => {
    const process = start([MAIN, "up", ...models, ...ports, ...journal], { TMPDIR: folder.path }); // what a killed one leaves goes with it
    const banner = await process.printed("Ctrl-C\n");
    const url = /HTTP +(http:\/\/[^ /]+)/.exec(banner)?.[1] ?? "";
    return { process, url, grpc: /gRPC +([^ ]+)/.exec(banner)?.[1] ?? "" };
  };
  const first = await up();
  await using killedOne = first.process;
  await vi.waitFor(async () => expect(await isReady(first.url)).toBe(true), SOON);
  const asked = { ...LONG, model: "told" };
  const [whole, wholePieces] = await Promise.all([complete(first.url, asked), pieces(first.grpc, { resumable: true })]);
  expect(wholePieces).toMatchObject({ failed: false });
  let second: Awaited<ReturnType<typeof up>> | undefined;
  let restarted: Promise<void> | undefined;
  const restart = async () => {
    await ended(killedOne, "SIGKILL");
    second = await up();
  };
  const onPiece = (count: number) => {
    if (count === KILLED_AT) restarted = restart();
  };
  const [resumed, cut] = await Promise.all([
    streamCompletion(first.url, asked, { onPiece, resumeAt: () => second?.url ?? "http://127.0.0.1:9" }),
    pieces(first.grpc, { resumable: true }),
  ]);
  await restarted;
  await using _last = second?.process;
  expect(resumed).toEqual({ ...whole, error: undefined, done: true });
  expect(cut).toMatchObject({ failed: true });
  expect(cut.texts.length).toBeGreaterThan(0);
  const rest = await pieces(second?.grpc ?? "", { last_event_id: cut.event });
  expect(rest).toEqual({
    ...wholePieces,
    texts: wholePieces.texts.slice(cut.texts.length),
    event: expect.stringMatching(/^[A-Za-z0-9]+\./),
  });
  expect([...cut.texts, ...rest.texts]).toEqual(wholePieces.texts);
});

test("an agent that is to write a journal, and has no key, does not start", async () => {
  const { code, stderr } = await run([MAIN, "agent", "--journal", "on", "--port", "0"]);
  expect([code, stderr]).toEqual([1, expect.stringMatching(/--journal on needs --journal-key-file/)]);
});
