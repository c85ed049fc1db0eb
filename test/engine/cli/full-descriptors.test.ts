/** A server whose process may open no more files serves the connections that it has, and everybody again when some are closed. */
import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { readdirSync } from "node:fs";
import { Agent, request } from "node:http";
import { connect } from "node:net";
import { text } from "node:stream/consumers";
import { expect, test } from "vitest";
import { ModelRepository } from "../../cluster/whole-models/model-repository.ts";
import { addSub } from "../../models/small-models.ts";
import { MAIN, start } from "./command.ts";

const PORTS = ["--http-port", "0", "--grpc-port", "0", "--metrics-port", "0"];
const SPARE = 6;
const CLIENTS = 40;
const tensors = ["INPUT0", "INPUT1"].map((name) => ({ name, datatype: "FP32", shape: [1, 4], data: [1, 2, 3, 4] }));
const BODY = JSON.stringify({ inputs: tensors });

async function infer(url: string, agent: Agent): Promise<{ readonly status: number | undefined; readonly body: string }> {
  const asked = request(`${url}/v2/models/sum/infer`, { method: "POST", agent });
  asked.end(BODY);
  const [response] = await once(asked, "response");
  return { status: response.statusCode, body: await text(response) };
}

test.runIf(process.platform === "linux")("a server without a free file descriptor serves on, and recovers by itself", async () => {
  using repository = new ModelRepository();
  repository.put("sum", { "1/model.onnx": addSub(["batch", 4]), "config.pbtxt": "max_batch_size: 8" });
  await using server = start([MAIN, "up", "--model", "none", "--models", repository.folder, ...PORTS]);
  const url = /HTTP +(http:\/\/[^ /]+)/.exec(await server.printed("Ctrl-C\n"))?.[1] ?? "";
  const kept = new Agent({ keepAlive: true, maxSockets: 1 });
  const first = await infer(url, kept);
  expect(first).toMatchObject({ status: 200 });

  const free = () => {
    const used = new Set(readdirSync(`/proc/${server.child.pid}/fd`).map(Number));
    return Array.from({ length: used.size + SPARE }, (_, descriptor) => descriptor).filter((descriptor) => !used.has(descriptor));
  };
  const limit = (free()[SPARE - 1] ?? 0) + 1;
  const limited = spawnSync("prlimit", ["--pid", String(server.child.pid), `--nofile=${limit}:${limit}`]);
  expect(limited.status, String(limited.stderr)).toBe(0);
  const clients = Array.from({ length: CLIENTS }, () => connect(Number(new URL(url).port), "127.0.0.1"));
  for (const client of clients) client.on("error", () => {}); // those for whom there is no room may be turned away
  await expect.poll(() => free().filter((descriptor) => descriptor < limit).length).toBe(0);
  for (let asked = 0; asked < 5; asked += 1) expect(await infer(url, kept)).toEqual(first);

  for (const client of clients) client.destroy();
  const anew = new Agent();
  await expect.poll(() => infer(url, anew).catch(String), { timeout: 5_000 }).toEqual(first);
  kept.destroy();
  server.child.kill("SIGTERM");
  expect(await server.ended).toMatchObject({ code: 0 });
});
