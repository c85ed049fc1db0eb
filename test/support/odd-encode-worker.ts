/** An encode worker that does what its texts begin with: hangs, dies, throws or answers nonsense; else tells the text's length. */
import { parentPort, threadId } from "node:worker_threads";
import type { EncodeAnswer, EncodeJob } from "../../gateway/text/encode-job.ts";

const digests = new Set<string>();

parentPort?.on("message", (job: EncodeJob) => {
  if (job.bundle !== undefined) digests.add(job.digest);
  if (job.forget !== undefined) digests.delete(job.forget);
  if (job.text.startsWith("hang")) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
  if (job.text.startsWith("exit")) process.exit(3);
  if (job.text.startsWith("throw")) throw new Error("a bug");
  if (job.text.startsWith("nonsense")) parentPort?.postMessage("nonsense");
  const answer: EncodeAnswer = digests.has(job.digest)
    ? { kind: "ids", ids: Int32Array.from([threadId, digests.size, job.text.length]) }
    : { kind: "failed", code: "DATA_LOSS", message: "no bundle" };
  parentPort?.postMessage(answer);
});
