/** Programs of a cluster come up in any order, and say in a line what is wrong. */

import { once } from "node:events";
import { createServer } from "node:net";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { MAIN, run } from "../../engine/cli/command.ts";
import { isReady, ProcessCluster } from "../../support/process-cluster.ts";
import { type ShardCache, shardCache } from "../../support/replica.ts";
import { complete } from "../completion-client.ts";

const SOON = { interval: 50, timeout: 60_000 };
const QUESTION = { prompt: "The capital of France is", max_tokens: 4, temperature: 0 };

let cache: ShardCache;
beforeAll(async () => {
  cache = await shardCache();
});
afterAll(() => cache?.[Symbol.asyncDispose]());

describe("a cluster serves", () => {
  test("when agents are there first, then a gateway, then NATS", async () => {
    await using cluster = await ProcessCluster.start({ cache });
    await cluster.nats.kill();
    const agents = ["node-1", "node-2"].map((node) => cluster.agent(node));
    for (const agent of agents) await agent.printed("NATS: waiting for 127.0.0.1");
    const gateway = cluster.gateway();
    const url = await gateway.url;
    await gateway.process.printed("NATS: waiting for 127.0.0.1");
    expect(await isReady(url)).toBe(false);
    expect((await fetch(`${url}/v2/health/live`)).status).toBe(200);
    await cluster.nats.start();
    await vi.waitFor(async () => expect(await isReady(url)).toBe(true), SOON);
    expect((await complete(url, QUESTION)).text).toContain("Paris");
    const { code, stdout } = await cluster.status(url);
    expect(code).toBe(0);
    expect(stdout).toMatch(/node-1 +serving .* stage \d of 2\nnode-2 +serving .* stage \d of 2\n/);
    expect((await cluster.status(url, "--node", "node-3")).stderr).toContain("node node-3 is not serving");
  });

  test("when a gateway is there first, then NATS, then agents", async () => {
    await using cluster = await ProcessCluster.start({ cache });
    await cluster.nats.kill();
    const gateway = cluster.gateway();
    const url = await gateway.url;
    await cluster.nats.start();
    await gateway.process.printed("NATS: connected");
    expect(await isReady(url)).toBe(false);
    cluster.agent("node-1");
    cluster.agent("node-2");
    await vi.waitFor(async () => expect(await isReady(url)).toBe(true), SOON);
    expect((await complete(url, QUESTION)).text).toContain("Paris");
  });
});

describe("a program that cannot start ends with 1 and one line", () => {
  const ended = async (args: readonly string[]) => {
    const { code, stderr } = await run([MAIN, ...args, "--cache", cache.folder, "--log-level", "silent"]);
    expect(code).toBe(1);
    expect(stderr.trimEnd().split("\n")).toHaveLength(1);
    return stderr;
  };

  test("for a URL that is none of NATS", async () => {
    expect(await ended(["gateway", "--nats-url", "http://x"])).toContain("is no NATS server: write nats://HOST:PORT");
    expect(await ended(["agent", "--nats-url", "x"])).toContain("is no NATS server");
  });

  test("for a gateway that leaves placing to others and shares nothing with them", async () => {
    expect(await ended(["gateway", "--no-placement", "--port", "0"])).toContain("--placement false needs --redis-url");
  });

  test("for a port that is taken, which it names", async () => {
    const server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    const bound = server.address();
    const port = String(typeof bound === "object" ? bound?.port : "");
    expect(await ended(["gateway", "--port", port, "--grpc-port", "0", "--metrics-port", "0"])).toContain(
      `the HTTP port ${port} on 127.0.0.1 is in use`,
    );
    expect(await ended(["agent", "--port", port])).toContain(`port ${port}: it is in use`);
    server.close();
  });

  test("for an agent that others can reach, until somebody says that this is meant", async () => {
    expect(await ended(["agent", "--host", "0.0.0.0"])).toContain("stages and links talk in clear: give --link-tls-ca");
    const withTls = ["--link-tls-ca", "ca.pem", "--link-tls-cert", "cert.pem", "--link-tls-key", "key.pem"];
    expect(await ended(["agent", "--host", "0.0.0.0", "--metrics-port", "0", ...withTls])).toContain(
      "--metrics-port talks in clear: leave it out",
    );
  });

  test("for files and folders that are not there", async () => {
    expect(await ended(["gateway", "--models", "/nowhere"])).toContain("there is no folder /nowhere");
    expect(await ended(["agent", "--nats-credentials", "/nowhere"])).toContain("--nats-credentials: /nowhere cannot be read");
    expect(await ended(["agent", "--link-tls-ca", "/nowhere"])).toContain("go together: give all or none");
  });
});
