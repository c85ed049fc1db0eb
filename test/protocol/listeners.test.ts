/** The ports: one that is taken, the metrics, and the console's page as a browser would get it. */
import { createHash } from "node:crypto";
import { once } from "node:events";
import { connect } from "node:net";
import { buffer } from "node:stream/consumers";
import { expect, test } from "vitest";
import { systemClock } from "../../core/clock.ts";
import { startHttpServer } from "../../gateway/http1/server.ts";
import { startMetricsServer } from "../../gateway/metrics/metrics-server.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { SCRIPTED_MODEL } from "../support/scripted-text.ts";
import { RawClient } from "./raw-client.ts";
import { startScriptedGateway } from "./scripted-gateway.ts";

test("a taken port is one clear line that names it and the remedy", async () => {
  await using gateway = await startScriptedGateway();
  const { port } = gateway.server;
  const message = (purpose: string) =>
    `the ${purpose} port ${port} on 127.0.0.1 is in use: stop the program that holds it, or choose another port`;
  const http = startHttpServer({ host: "127.0.0.1", port, clock: systemClock, routes: [] });
  await expect(http).rejects.toMatchObject({ name: "ServingError", reason: "port_taken", message: message("HTTP") });
  const metrics = startMetricsServer({ host: "127.0.0.1", port, clock: systemClock, metricsText: async () => "" });
  await expect(metrics).rejects.toMatchObject({ name: "ServingError", reason: "port_taken", message: message("metrics") });
});

test("the metrics port gives the metrics, and every other path is 200 and empty", async () => {
  let readable = true;
  const metricsText = async () => {
    if (!readable) throw new Error("a secret path");
    return "up 1\n";
  };
  await using server = await startMetricsServer({ host: "127.0.0.1", port: 0, clock: systemClock, metricsText });
  const get = async (path: string, init?: RequestInit) => {
    const answer = await fetch(`http://127.0.0.1:${server.port}${path}`, init);
    return [answer.status, await answer.text(), answer.headers.get("content-type")];
  };
  const type = "text/plain; version=0.0.4; charset=utf-8";
  expect(await get("/metrics")).toEqual([200, "up 1\n", type]);
  expect(await get("/metrics/?x=1")).toEqual([200, "up 1\n", type]);
  expect(await get("/nope")).toEqual([200, "", type]);
  expect(await get("/metrics", { method: "POST" })).toEqual([405, '{"error":"Method Not Allowed"}', "application/json"]);
  readable = false;
  expect(await get("/metrics")).toEqual([500, '{"error":"the metrics cannot be read"}', "application/json"]);
  using client = await RawClient.open(server.port);
  expect(await client.send("GET /metrics HTTP/1.1\r\nHost: evil.example\r\n\r\n").until("}")).toMatch(/^HTTP\/1.1 421 /);
});

test("the last answer of a connection waits for a client that reads slowly", async () => {
  const clock = new FakeClock();
  const text = "x".repeat(16 * 1024 * 1024);
  await using server = await startMetricsServer({ host: "127.0.0.1", port: 0, clock, metricsText: async () => text });
  const client = connect(server.port, "127.0.0.1");
  client.write("GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n");
  await once(client, "readable");
  clock.advance(10_000);
  const answer = await buffer(client);
  expect(answer.byteLength - answer.indexOf("\r\n\r\n") - 4).toBe(text.length);
});

test("the console's page runs its own script and style and nothing else", async () => {
  await using gateway = await startScriptedGateway();
  const answer = await fetch(gateway.url);
  const html = await answer.text();
  const policy = answer.headers.get("content-security-policy") ?? "";
  expect(answer.headers.get("content-type")).toBe("text/html; charset=utf-8");
  expect(policy).toMatch(
    /^default-src 'none'; script-src 'sha256-[^' ]+'; style-src 'sha256-[^' ]+'; .*connect-src 'self'; .*frame-ancestors 'none'$/,
  );
  for (const [, , text] of html.matchAll(/<(script|style)[^>]*>([\s\S]*?)<\/\1>/g)) {
    expect(policy).toContain(
      `'sha256-${createHash("sha256")
        .update(text ?? "")
        .digest("base64")}'`,
    );
  }
  expect(html).not.toMatch(/\s(on\w+|style)=|https?:\/\/|innerHTML/);
  expect([...html.matchAll(/(?:src|href)="([^"]*)"/g)].map((match) => match[1])).toEqual(["data:,"]);
  const ids = [...html.matchAll(/\sid="([^"]+)"/g)].map((match) => match[1]);
  expect(new Set(ids).size).toBe(ids.length);
  for (const [, used] of html.matchAll(/byId\("([^"]+)"\)/g)) expect(ids).toContain(used);
});

test("the console's state says which layers of a model are where, in order", async () => {
  await using gateway = await startScriptedGateway();
  const state = await (await fetch(`${gateway.url}/console/state`)).json();
  expect(state).toMatchObject({
    server: { name: "nereid" },
    nodes: [],
    models: [
      {
        name: SCRIPTED_MODEL,
        state: "ready",
        shards: [
          { node: "node-a", stage: 0 },
          { node: "node-b", stage: 1, endLayer: 30 },
        ],
      },
    ],
  });
});
