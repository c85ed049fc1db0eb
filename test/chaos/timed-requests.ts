/** Requests that wait until their time is over, in queues that do not move, and how far off the answers are. Linux. */
import { create, toBinary } from "@bufbuild/protobuf";
import { commandLine, familyOf } from "../../bench/processes.ts";
import { systemClock } from "../../core/clock.ts";
import type { Random } from "../../core/random.ts";
import { ModelInferRequestSchema } from "../../protos/gen/grpc_service_pb.ts";
import { framed, Http2Client } from "../protocol/grpc-http2-client.ts";
import type { ChaosCluster } from "./chaos-cluster.ts";
import { FRAGILE, LANGUAGE } from "./chaos-models.ts";
import { passing } from "./passing.ts";
import { remainderOnce } from "./questions.ts";

const [TIMEOUT_MS_MIN, TIMEOUT_MS_MAX] = [1_000, 2_000];
/** So long after its time is over nobody answers any more. */
const NEVER_MS = 3_000;
/** Between two of them, which else would wait for each other here. */
const APART_MS = 10;
/** Longer than a batch waits for more requests. */
const ALONE_MS = 200;
const [CANCELLED, DEADLINE_EXCEEDED] = ["1", "4"];
const SERVICE = "/inference.GRPCInferenceService";

export interface TimedReport {
  readonly requests: number;
  /** By how much each answer came too early (below 0) or too late. */
  readonly offMs: readonly number[];
  /** `offMs` as a part of what was allowed. */
  readonly offShares: readonly number[];
  /** Answers that are no refusal for the time. */
  readonly wrong: readonly string[];
}

/** Half of them with Triton's queue timeout over HTTP, half with gRPC's deadline; the fragile model's only process stands still. */
export async function timedRequests(cluster: ChaosCluster, random: Random, requests: number): Promise<TimedReport> {
  const stopped = [...cluster.agents.values()].flatMap(({ child }) => familyOf(child.pid ?? 0)).filter(isModelRunner);
  for (const pid of stopped) process.kill(pid, "SIGSTOP");
  try {
    const blocks = remainderOnce(cluster.url, [142], 100);
    await passing(ALONE_MS);
    await using grpc = new Http2Client(await cluster.grpcPort());
    const report = await timed(requests, random, async (timeoutMs, index) => {
      if (index % 2 === 0) return await inQueue(cluster.url, timeoutMs);
      const { code, details, body } = await grpc.call(`${SERVICE}/ModelInfer`, REMAINDER, { "grpc-timeout": `${timeoutMs}m` });
      return isLate(code, details) && body.byteLength === 0 ? undefined : `${code} ${details}`;
    });
    for (const pid of stopped) process.kill(pid, "SIGCONT");
    await blocks;
    return report;
  } finally {
    for (const pid of stopped) process.kill(pid, "SIGCONT");
  }
}

/** Behind generations that hold all slots. */
export async function timedGenerations(cluster: ChaosCluster, random: Random, requests: number): Promise<TimedReport> {
  await using grpc = new Http2Client(await cluster.grpcPort());
  return await timed(requests, random, async (timeoutMs) => {
    const { code, details, body } = await grpc.call(`${SERVICE}/ModelStreamInfer`, GENERATION, { "grpc-timeout": `${timeoutMs}m` });
    return isLate(code, details) && body.byteLength === 0 ? undefined : `${code} ${details} ${body.byteLength}`;
  });
}

/** @param ask resolves with what is wrong with the answer */
async function timed(
  requests: number,
  random: Random,
  ask: (timeoutMs: number, index: number) => Promise<string | undefined>,
): Promise<TimedReport> {
  const [offMs, offShares, wrong]: [number[], number[], string[]] = [[], [], []];
  await Promise.all(
    Array.from({ length: requests }, async (_, index) => {
      const timeoutMs = TIMEOUT_MS_MIN + Math.floor(random.next() * (TIMEOUT_MS_MAX - TIMEOUT_MS_MIN));
      await passing(index * APART_MS);
      const startMs = systemClock.now();
      const said = await Promise.race([ask(timeoutMs, index), passing(timeoutMs + NEVER_MS).then(() => "no answer")]);
      const off = systemClock.now() - startMs - timeoutMs;
      offMs.push(off);
      offShares.push(off / timeoutMs);
      if (said !== undefined) wrong.push(said);
    }),
  );
  return { requests, offMs, offShares, wrong };
}

async function inQueue(url: string, timeoutMs: number): Promise<string | undefined> {
  const response = await remainderOnce(url, [142], 100, { timeout: timeoutMs * 1_000 });
  const text = await response.text();
  return text.includes("Request timeout expired") ? undefined : `${response.status} ${text}`;
}

/** Triton cancels what is late. */
const isLate = (code: string | undefined, details: string) =>
  code === DEADLINE_EXCEEDED || (code === CANCELLED && /deadline of .* has passed/.test(details));

const isModelRunner = (pid: number): boolean => commandLine(pid)?.some((word) => word.endsWith("runners/onnx/main.ts")) === true;

const ints = (value: number) => new Uint8Array(Int32Array.of(value).buffer);
const REMAINDER = framed(
  toBinary(
    ModelInferRequestSchema,
    create(ModelInferRequestSchema, {
      modelName: FRAGILE,
      inputs: ["INPUT0", "INPUT1"].map((name) => ({ name, datatype: "INT32", shape: [1n, 1n] })),
      rawInputContents: [ints(142), ints(100)],
    }),
  ),
);
const GENERATION = framed(
  toBinary(
    ModelInferRequestSchema,
    create(ModelInferRequestSchema, {
      modelName: LANGUAGE,
      inputs: [{ name: "text_input", datatype: "BYTES", shape: [1n], contents: { bytesContents: [new TextEncoder().encode("Dear")] } }],
    }),
  ),
);
