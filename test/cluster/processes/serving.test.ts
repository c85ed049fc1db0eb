/** One NATS, one gateway and two agents as processes of their own: what a cluster of machines answers, and what it survives. */
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import tls from "node:tls";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { sleep, systemClock } from "../../../core/clock.ts";
import type { Started } from "../../engine/cli/command.ts";
import { ended, isReady, ProcessCluster } from "../../support/process-cluster.ts";
import { type ShardCache, shardCache } from "../../support/replica.ts";
import { selfSigned } from "../../support/self-signed.ts";
import { type CompletionFields, complete, streamCompletion, WITHOUT_END } from "../completion-client.ts";
import { ModelRepository } from "../whole-models/model-repository.ts";
import { listeningOf } from "./listening.ts";

const SOON = { interval: 50, timeout: 60_000 };
const never = new AbortController().signal;

let cache: ShardCache;
beforeAll(async () => {
  cache = await shardCache();
});
afterAll(() => cache?.[Symbol.asyncDispose]());

interface GoldenPrompt {
  readonly name: string;
  readonly prompt_ids: readonly number[];
  readonly greedy_text: string;
}

function goldenPrompts(): readonly GoldenPrompt[] {
  const file = new URL("../../golden/smollm2-135m-instruct.fp32.json", import.meta.url);
  const golden: { readonly prompts: readonly GoldenPrompt[] } = JSON.parse(readFileSync(file, "utf8"));
  return golden.prompts;
}

test("a model cut over two agents, one of which alone has it, answers with the golden tokens; all ports ask for certificates where they have some", async () => {
  await using cluster = await ProcessCluster.start({ cache, quantization: "fp32" });
  using nothing = new ModelRepository();
  using certificates = certificateFiles();
  const reachable = ["--host", "0.0.0.0", "--advertise-host", "127.0.0.1", ...certificates.flags];
  const gateway = cluster.gateway(...certificates.flags, "--models", nothing.folder);
  const agents = [cluster.agent("node-1", ...reachable), cluster.agent("node-2", ...reachable, "--models", nothing.folder)];
  const url = await gateway.url;
  await vi.waitFor(async () => expect(await isReady(url)).toBe(true), SOON);
  const answered = goldenPrompts().map(async ({ name, prompt_ids, greedy_text }) => {
    const [untilEnd] = greedy_text.split("<|im_end|>");
    const { text } = await complete(url, { prompt: prompt_ids, max_tokens: 64, temperature: 0 });
    expect(text, name).toBe(untilEnd);
  });
  await Promise.all(answered);
  const listening = agents.flatMap(({ child }) => listeningOf(child.pid ?? 0));
  expect(listening.length).toBeGreaterThanOrEqual(6); // of each the link, the wire to the lead, and the wire between stages
  for (const address of listening) await trusts(address, certificates.cert);
});

/** A certificate for every part of a cluster, in files, and the flags that name them. */
function certificateFiles() {
  const folder = mkdtempSync(path.join(tmpdir(), "nereid-tls-"));
  const { cert, key } = selfSigned("cluster");
  const [certFile, keyFile] = [path.join(folder, "cert.pem"), path.join(folder, "key.pem")];
  writeFileSync(certFile, cert);
  writeFileSync(keyFile, key, { mode: 0o600 });
  return {
    cert,
    flags: ["--link-tls-ca", certFile, "--link-tls-cert", certFile, "--link-tls-key", keyFile],
    [Symbol.dispose]: () => rmSync(folder, { recursive: true }),
  };
}

/** @throws what the handshake does, where the other end does not show this certificate */
async function trusts(address: string, ca: string): Promise<void> {
  const socket = tls.connect({ host: "127.0.0.1", port: Number(address.split(":")[1]), ca });
  await once(socket, "secureConnect");
  socket.destroy();
}

describe("a running cluster", () => {
  const QUESTION: CompletionFields = { ...WITHOUT_END, prompt: "The capital of France is", max_tokens: 24 };
  const LONG: CompletionFields = { ...WITHOUT_END, prompt: "Once upon a time", max_tokens: 450 };
  let cluster: ProcessCluster;
  let gateway: Started;
  let agents: readonly Started[];
  let url: string;
  let expected: string;

  beforeAll(async () => {
    cluster = await ProcessCluster.start({ cache });
    const started = cluster.gateway("--stop-delay-ms", "0");
    gateway = started.process;
    agents = ["node-1", "node-2"].map((node) => cluster.agent(node, "--metrics-port", "0"));
    url = await started.url;
    await vi.waitFor(async () => expect(await isReady(url)).toBe(true), SOON);
    ({ text: expected } = await complete(url, QUESTION));
  });
  afterAll(() => cluster?.[Symbol.asyncDispose]());

  test("tells at each agent's own port of the slots that are led there", async () => {
    const texts = await Promise.all(
      agents.map(async (agent) => {
        const said = await agent.printed("node: "); // after the port of its metrics
        return await (await fetch(/metrics: (\S+)/.exec(said)?.[1] ?? "")).text();
      }),
    );
    expect(texts.filter((text) => /^nereid_slots\{.*node="node-\d".*\} [1-9]/m.test(text))).toHaveLength(1);
  });

  test("NATS that is killed for 10 s is not noticed by a stream, and new requests are answered", async () => {
    let pieces = 0;
    const stream = streamCompletion(url, LONG, {
      onPiece: (count) => {
        pieces = count;
      },
    });
    await vi.waitFor(() => expect(pieces).toBeGreaterThan(3), SOON);
    await cluster.nats.kill();
    const backMs = systemClock.now() + 10_000;
    let answered = 0;
    while (systemClock.now() < backMs) {
      expect((await complete(url, QUESTION)).text).toBe(expected);
      expect(await isReady(url)).toBe(true);
      answered += 1;
      await sleep(systemClock, 100, never);
    }
    expect(answered).toBeGreaterThan(3);
    await cluster.nats.start();
    expect((await complete(url, QUESTION)).text).toBe(expected);
    const { text, done, error } = await stream;
    expect({ done, error }).toEqual({ done: true, error: undefined });
    expect(text).toBe((await complete(url, LONG)).text);
  });

  test("R43: nothing listens but the documented ports, each on the address that was asked for", async () => {
    const listening = await Promise.all([gateway, ...agents].map(({ child }) => listeningOf(child.pid ?? 0)));
    expect(listening.flat().filter((address) => !address.startsWith("127.0.0.1:"))).toEqual([]);
    const said = await gateway.printed("metrics: ");
    const ports = [...said.matchAll(/127\.0\.0\.1:(\d+)/g)].map(([address]) => address);
    expect(listening[0]?.toSorted()).toEqual(ports.filter((address) => !cluster.nats.url.endsWith(address)).toSorted());
    // The link, the metrics, the wire to the lead, and the wire between stages.
    for (const agent of listening.slice(1)) expect(agent.length).toBeLessThanOrEqual(4);
  });

  test("a gateway that is told to stop answers what runs, and ends with 0", async () => {
    let pieces = 0;
    const stream = streamCompletion(
      url,
      { ...LONG, max_tokens: 100 },
      {
        onPiece: (count) => {
          pieces = count;
        },
      },
    );
    await vi.waitFor(() => expect(pieces).toBeGreaterThan(3), SOON);
    const over = ended(gateway, "SIGTERM");
    expect(await stream).toMatchObject({ done: true, error: undefined, finishReason: "length" });
    expect((await over).code).toBe(0);
    await expect(fetch(`${url}/v2/health/live`)).rejects.toThrow();
  });

  test("agents that are told to stop end with 0, and leave nothing behind", async () => {
    for (const { code, stderr } of await Promise.all(agents.map((agent) => ended(agent, "SIGTERM")))) expect(code, stderr).toBe(0);
  });
});
