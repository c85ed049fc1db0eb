/** Large inputs arrive while a stream runs: its tokens keep coming. */
import { spawn } from "node:child_process";
import { writeFile } from "node:fs/promises";
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { systemClock } from "../../core/clock.ts";
import { MODEL, type RunningCluster, startRealCluster } from "../support/cluster.ts";
import { type ShardCache, shardCache } from "../support/replica.ts";
import { streamCompletion, WITHOUT_END } from "./completion-client.ts";

/** A machine has noises of its own: medians over rounds, each with a quiet part first. */
const ROUNDS = 5;
/** Gaps between tokens in each part; what arrives does so at its beginning, and takes about half of it. */
const GAPS = 100;

let cache: ShardCache;
let cluster: RunningCluster;

beforeAll(async () => {
  cache = await shardCache();
  cluster = await startRealCluster(cache);
});
afterAll(async () => {
  await cluster?.[Symbol.asyncDispose]();
  await cache?.[Symbol.asyncDispose]();
});

test("a stream's p99 between tokens is at most twice the quiet one while a 400 KB prompt and a 20 MB JSON body arrive", async () => {
  const prompt = "The light of the harbor was green. ".repeat(11_500);
  const numbers = Array.from({ length: 2_700_000 }, (_, index) => index % 100_000);
  const messages = [{ role: "user", content: "And then what happened? ".repeat(180_000) }];
  const sendPrompt = await sender("/v1/completions", { prompt, max_tokens: 8 });
  const sendBody = await sender("/v1/chat/completions", { messages, numbers });
  const stream = watchedStream();
  await stream.nextGaps(10);
  const quiet: number[] = [];
  const loud: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    quiet.push(percentile(await stream.nextGaps(GAPS), 0.99));
    const [gaps, ...answers] = await Promise.all([stream.nextGaps(GAPS), sendPrompt(), sendBody()]);
    loud.push(percentile(gaps, 0.99));
    for (const answer of answers) expect(answer).toContain('"code":"context_length_exceeded"');
  }
  stream.hangUp();
  const text = (values: readonly number[]) => values.map((value) => value.toFixed(1)).join(", ");
  process.stdout.write(`p99 between tokens in ms: quiet ${text(quiet)}; while large inputs arrive ${text(loud)}\n`);
  expect(percentile(loud, 0.5)).toBeLessThanOrEqual(2 * percentile(quiet, 0.5));
});

/** From another process, so that sending does not hold up the watch. @returns what sends the body once, and gives the answer */
async function sender(route: string, fields: object): Promise<() => Promise<string>> {
  const file = path.join(cache.folder, `${route.split("/").at(-2)}.json`);
  await writeFile(file, JSON.stringify({ model: MODEL, ...fields }));
  return () =>
    new Promise((resolve) => {
      const child = spawn("curl", ["-sS", "-H", "Expect:", "--data-binary", `@${file}`, cluster.url + route], {
        stdio: ["ignore", "pipe", "inherit"],
      });
      let answer = "";
      child.stdout.setEncoding("utf8").on("data", (text: string) => {
        answer += text;
      });
      child.on("close", () => resolve(answer));
    });
}

/** A stream without end, and the milliseconds between its pieces. */
function watchedStream() {
  const leaving = new AbortController();
  let lastMs: number | undefined;
  let gaps: number[] = [];
  let wanted = 0;
  let enough = Promise.withResolvers<readonly number[]>();
  const onPiece = () => {
    const nowMs = systemClock.now();
    if (lastMs !== undefined) gaps.push(nowMs - lastMs);
    lastMs = nowMs;
    if (gaps.length === wanted) enough.resolve(gaps);
  };
  const fields = { ...WITHOUT_END, prompt: "Once upon a time", max_tokens: 8_000 };
  streamCompletion(cluster.url, fields, { onPiece, signal: leaving.signal }).catch((thrown: unknown) => {
    if (!leaving.signal.aborted) enough.reject(thrown);
  });
  return {
    nextGaps(count: number): Promise<readonly number[]> {
      gaps = [];
      wanted = count;
      enough = Promise.withResolvers();
      return enough.promise;
    },
    hangUp: () => leaving.abort(),
  };
}

function percentile(values: readonly number[], share: number): number {
  return values.toSorted((a, b) => a - b)[Math.ceil(values.length * share) - 1] ?? Number.NaN;
}
