import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { socketWire } from "../../../core/wire/socket.ts";
import { processRunners } from "../../../node-agent/runners/process.ts";
import { runnerHandleContract } from "../../contract/runner-handle.ts";
import { Lead, NEVER, QUIET, REPLICA } from "./lead.ts";
import { type CutShards, cutShards } from "./shards.ts";

let shards: CutShards;
let halves: CutShards;
beforeAll(async () => {
  shards = await cutShards("native", 1);
  halves = await cutShards("native", 2);
});
afterAll(async () => {
  await shards?.[Symbol.asyncDispose]();
  await halves?.[Symbol.asyncDispose]();
});
const shard = () => ({ folder: shards.folders[0] ?? "", replica: REPLICA, slots: 2, contextLength: 64, threads: 1 });

describe("a runner process", () =>
  runnerHandleContract(async () => {
    const wire = await socketWire({});
    return {
      factory: processRunners({ logger: QUIET }),
      wire,
      shard: shard(),
      openBroken: (runner, signal) => runner.open({ ...shard(), folder: "/nowhere" }, signal),
      [Symbol.asyncDispose]: () => wire[Symbol.asyncDispose](),
    };
  }));

const alive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};

test("kill -9 of the agent leaves no runner", async () => {
  const program = fileURLToPath(new URL("./orphan-program.ts", import.meta.url));
  const agent = spawn(process.execPath, [program, shards.folders[0] ?? ""], { stdio: ["ignore", "pipe", "inherit"] });
  const line = await new Promise<string>((resolve) => agent.stdout.once("data", (chunk) => resolve(String(chunk))));
  const runner: { readonly pid: number } = JSON.parse(line);
  expect(alive(runner.pid)).toBe(true);
  agent.kill("SIGKILL");
  await vi.waitFor(() => expect(alive(runner.pid)).toBe(false), { timeout: 5_000 });
});

test("kill -9 of a runner ends its handle and breaks its pipeline, and its socket is gone", async () => {
  const factory = processRunners({ logger: QUIET });
  await using lead = await Lead.start({ folders: halves.folders, slots: 2, contextLength: 64 }, factory, await socketWire({}));
  const [, victim] = lead.runners;
  process.kill(victim?.pid ?? 0, "SIGKILL");
  expect(await victim?.exited).toMatchObject({ signal: "SIGKILL" });
  expect(await lead.broken.promise).toMatchObject({ code: "UNAVAILABLE" });
  const socket = lead.opened[1]?.address.replace("unix:", "") ?? "";
  expect([existsSync(socket), existsSync(path.dirname(socket))]).toEqual([false, false]);
});

test("Ctrl-C and a service manager's stop do not end a runner before its agent", async () => {
  const runner = processRunners({ logger: QUIET }).start();
  await runner.open(shard(), NEVER);
  process.kill(runner.pid ?? 0, "SIGINT");
  process.kill(runner.pid ?? 0, "SIGTERM");
  await using wire = await socketWire({});
  await runner.connect({ epoch: 1, next: wire.address }, NEVER);
  await runner.close();
  expect(await runner.exited).toMatchObject({ code: 0 });
});

test("a runner killed while it loads is told from one that fails: memory is the likely reason", async () => {
  const runner = processRunners({ logger: QUIET }).start();
  const opening = expect(runner.open(shard(), NEVER)).rejects.toThrow(/was ended by SIGKILL while it loaded .*ran out of memory/);
  process.kill(runner.pid ?? 0, "SIGKILL");
  await opening;
});

test("what a dying runner says is kept and told", async () => {
  const runner = processRunners({ logger: QUIET, environment: { ...process.env, NODE_OPTIONS: "--no-such-option" } }).start();
  await expect(runner.open(shard(), NEVER)).rejects.toThrow(/ended with code 9.*no-such-option/);
  expect((await runner.exited).lastWords).toMatch(/no-such-option/);
});

test("another runtime library is named when it cannot be loaded", async () => {
  const runner = processRunners({ logger: QUIET, libraryFile: "/nowhere/libonnxruntime.so" }).start();
  await expect(runner.open(shard(), NEVER)).rejects.toMatchObject({ code: "FAILED_PRECONDITION", message: /nowhere/ });
  await runner.close();
});

test("impossible openings are refused with the limit", async () => {
  const runner = processRunners({ logger: QUIET }).start();
  await expect(runner.open({ ...shard(), contextLength: 8193 }, NEVER)).rejects.toThrow(/8193 is not possible: 4 to the model's 8192/);
  await expect(runner.open({ ...shard(), slots: 0 }, NEVER)).rejects.toThrow(/0 slots/);
  await runner.close();
});
