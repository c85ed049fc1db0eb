/** Gateway and lead are killed at once, and nobody has a copy but Redis, which cannot read it: the stream goes on all the same. */
import { randomBytes } from "node:crypto";
import { mkdir, mkdtempDisposable, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { Redis } from "ioredis";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
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

/** A repository with the real model, whose streams are written down whatever the program says. */
async function journaledModel(root: string): Promise<string> {
  const repository = path.join(root, "models");
  await mkdir(path.join(repository, "told", "1"), { recursive: true });
  await symlink(path.join(realModelFolder(), "1", "model.gguf"), path.join(repository, "told", "1", "model.gguf"));
  const config = 'backend: "llm"\nparameters { key: "journal" value { string_value: "on" } }\n';
  await writeFile(path.join(repository, "told", "config.pbtxt"), config);
  return repository;
}

test("a stream of `nereid up` goes on token for token after SIGKILL and a new start, where its model asks for a journal", async () => {
  await using folder = await mkdtempDisposable(path.join(tmpdir(), "nereid-up-"));
  const keyFile = path.join(folder.path, "key");
  await writeFile(keyFile, `${randomBytes(32).toString("base64")}\n`);
  const models = ["--models", await journaledModel(folder.path), "--cache", cache.folder, "--model", "none", "--nodes", "1"];
  const ports = ["--port", "0", "--grpc-port", "0", "--metrics-port", "0", "--log-level", "warn"];
  const journal = ["--redis-url", redis.url, "--journal", "off", "--journal-key-file", keyFile];
  const up = async () => {
    const process = start([MAIN, "up", ...models, ...ports, ...journal], { TMPDIR: folder.path }); // what a killed one leaves goes with it
    const url = /HTTP +(http:\/\/[^ /]+)/.exec(await process.printed("Ctrl-C\n"))?.[1] ?? "";
    return { process, url };
  };
  const first = await up();
  await using killedOne = first.process;
  await vi.waitFor(async () => expect(await isReady(first.url)).toBe(true), SOON);
  const asked = { ...LONG, model: "told" };
  const whole = await complete(first.url, asked);
  let second: Awaited<ReturnType<typeof up>> | undefined;
  let restarted: Promise<void> | undefined;
  const restart = async () => {
    await ended(killedOne, "SIGKILL");
    second = await up();
  };
  const onPiece = (count: number) => {
    if (count === KILLED_AT) restarted = restart();
  };
  const resumed = await streamCompletion(first.url, asked, { onPiece, resumeAt: () => second?.url ?? "http://127.0.0.1:9" });
  await restarted;
  await using _last = second?.process;
  expect(resumed).toEqual({ ...whole, error: undefined, done: true });
});

test("an agent that is to write a journal, and has no key, does not start", async () => {
  const { code, stderr } = await run([MAIN, "agent", "--journal", "on", "--port", "0"]);
  expect([code, stderr]).toEqual([1, expect.stringMatching(/--journal on needs --journal-key-file/)]);
});
