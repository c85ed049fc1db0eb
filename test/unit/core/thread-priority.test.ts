/** A thread that gives way does so alone. */
import os from "node:os";
import { Worker } from "node:worker_threads";
import { expect, test } from "vitest";

const PROGRAM = `
  const { readlinkSync } = require("node:fs");
  const os = require("node:os");
  const { parentPort, workerData } = require("node:worker_threads");
  import(workerData).then(({ giveWay }) => {
    giveWay();
    giveWay();
    parentPort.postMessage(os.getPriority(Number(readlinkSync("/proc/thread-self").split("/").at(-1))));
  });
`;

// Elsewhere a priority belongs to the whole process.
test.skipIf(process.platform !== "linux")("a worker that gives way has a lower priority, and its program keeps its own", async () => {
  const before = os.getPriority();
  const worker = new Worker(PROGRAM, { eval: true, workerData: new URL("../../../core/thread-priority.ts", import.meta.url).href });
  const priority = await new Promise((resolve, reject) => {
    worker.once("message", resolve);
    worker.once("error", reject);
  });
  await worker.terminate();
  expect(priority).toBe(Math.max(10, before));
  expect(os.getPriority()).toBe(before);
});
