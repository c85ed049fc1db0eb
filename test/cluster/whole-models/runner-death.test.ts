/** A model's process dies, as by the kernel's hand: its requests are answered by another one or told clearly, and it comes back. */
import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { tensor } from "../../../client/tensor-input.ts";
import { identity, slow } from "../../models/small-models.ts";
import { eventually, type ModelCluster, startModelCluster } from "./model-cluster.ts";
import { ModelRepository } from "./model-repository.ts";

const repository = new ModelRepository();
let cluster: ModelCluster;

/** Computes on for seconds of CPU time. */
const ROWS = 65_536;
/** CPU time, in kernel ticks, that shows that an open process runs something. */
const RUN_TICKS = 20;

beforeAll(async () => {
  const instances = (count: number) => `instance_group { count: ${count} kind: KIND_CPU }`;
  repository
    .put("slow", { "1/model.onnx": slow(3_000), "config.pbtxt": `max_batch_size: ${ROWS} ${instances(1)}` })
    .put("pair", { "1/model.onnx": identity("i32"), "config.pbtxt": `max_batch_size: 4 ${instances(2)}` });
  cluster = await startModelCluster(repository.folder, { "--nodes": "1", "--model-control-mode": "explicit" });
});

afterAll(async () => {
  await cluster?.[Symbol.asyncDispose]();
  repository[Symbol.dispose]();
});

/** CPU time that a process has used, all its threads together; 0 when it is gone. Linux. */
function ticksOf(pid: number): number {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, "utf8")
      .replace(/^.*\) /s, "")
      .split(" ");
    return Number(fields[11]) + Number(fields[12]);
  } catch {
    return 0;
  }
}

const kill = (pids: readonly number[]) => {
  for (const pid of pids) process.kill(pid, "SIGKILL");
};

async function ask(value: number): Promise<readonly number[]> {
  const { outputs } = await cluster.client.infer({ model: "pair", inputs: [tensor("INPUT0", "INT32", [1, 1], [value])] });
  return [...(outputs[0]?.as("INT32") ?? [])];
}

describe("kill -9 of a model's processes", () => {
  test("while it is idle: the model serves on with what is left, and all come back", async () => {
    await cluster.client.loadModel("pair");
    const [first = 0, second = 0] = cluster.runnerPids();
    kill([first]);
    expect(await ask(1)).toEqual([1]);
    kill([second]);
    expect(await Promise.all([ask(2), ask(3), ask(4)])).toEqual([[2], [3], [4]]);
    await eventually(cluster.runnerPids, (pids) => pids.length === 2 && !pids.includes(first) && !pids.includes(second));
    expect(await cluster.client.isModelReady("pair")).toBe(true);
    expect(await ask(5)).toEqual([5]);
    await cluster.client.unloadModel("pair");
    await eventually(cluster.runnerPids, (pids) => pids.length === 0);
  });

  test("while it runs: the request is run once more, and is answered right", async () => {
    await cluster.client.loadModel("slow");
    const values = Float32Array.from({ length: ROWS * 16 }, (_, index) => index % 1000);
    const running = cluster.client.infer({ model: "slow", inputs: [tensor("INPUT0", "FP32", [ROWS, 16], values)] });
    await killOnceItRuns();
    expect(Buffer.compare((await running).output("OUTPUT0").bytes, new Uint8Array(values.buffer))).toBe(0);
    expect(await cluster.statistics("slow")).toMatchObject({ executionCount: 1n, inferenceStats: { fail: { count: 0n } } });
  });

  test("each time it runs: the request fails and says so, and the model comes back for others", async () => {
    const inputs = (rows: number) => [tensor("INPUT0", "FP32", [rows, 16], new Float32Array(rows * 16))];
    const [pid = 0] = cluster.runnerPids();
    const openAndRunTicks = ticksOf(pid); // it has opened the model and answered one request
    const asked = cluster.client.infer({ model: "slow", inputs: inputs(ROWS) });
    const failed = expect(asked).rejects.toMatchObject({
      status: 500,
      message: expect.stringMatching(/model slow version 1: 2 processes died while they ran this request/),
    });
    await killOnceItRuns();
    const [next = 0] = await eventually(cluster.runnerPids, (pids) => pids.length === 1 && !pids.includes(pid));
    await eventually(
      () => ticksOf(next),
      (ticks) => ticks > openAndRunTicks / 2,
    ); // opening takes the smaller part by far
    process.kill(next, "SIGKILL");
    await failed;
    expect((await cluster.client.infer({ model: "slow", inputs: inputs(1) })).output("OUTPUT0").shape).toEqual([1, 16]);
  });
});

/** Of the only process there is, which is open. */
async function killOnceItRuns(): Promise<void> {
  const [pid = 0] = cluster.runnerPids();
  const idle = ticksOf(pid);
  await eventually(
    () => ticksOf(pid),
    (ticks) => ticks >= idle + RUN_TICKS,
  );
  process.kill(pid, "SIGKILL");
}
