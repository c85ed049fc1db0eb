/** Many streams at once, on a cluster of two nodes: nobody disturbs anybody. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { systemClock } from "../../core/clock.ts";
import { MODEL, type RunningCluster, startRealCluster } from "../support/cluster.ts";
import { type ShardCache, shardCache } from "../support/replica.ts";
import { type CompletionFields, complete, post, streamCompletion, WITHOUT_END } from "./completion-client.ts";

const SLOTS = 8;
const STREAMS = 32;
const SUBJECTS = ["The sea", "A lamp", "Iron", "My uncle", "The third door", "Bread", "In the year 1911", "Under the bridge"];

let cache: ShardCache;
let cluster: RunningCluster;

beforeAll(async () => {
  cache = await shardCache();
  cluster = await startRealCluster(cache, { slots: SLOTS });
});
afterAll(async () => {
  await cluster?.[Symbol.asyncDispose]();
  await cache?.[Symbol.asyncDispose]();
});

/** 4 to 35 tokens after a prompt of 1 to some 60, every third one sampled. */
function mixedRequest(index: number): CompletionFields {
  const subject = SUBJECTS[index % SUBJECTS.length] ?? "";
  const prompt = `${subject}, `.repeat(1 + ((index * 7) % 12));
  const fields = { ...WITHOUT_END, prompt, max_tokens: 4 + ((index * 13) % 32) };
  return index % 3 === 0 ? { ...fields, temperature: 1, top_p: 0.9, seed: index } : fields;
}

describe("32 concurrent streams of mixed lengths on 8 slots", () => {
  test("all finish, each with the text of its run alone", async () => {
    const requests = Array.from({ length: STREAMS }, (_, index) => mixedRequest(index));
    const together = await Promise.all(requests.map((request) => streamCompletion(cluster.url, request)));
    for (const [index, request] of requests.entries()) {
      const { text } = await complete(cluster.url, request);
      expect(together[index], `stream ${index}`).toEqual({ text, finishReason: "length", error: undefined, done: true });
    }
    expect(await cluster.metric("nereid_slots_busy")).toBe(0);
    const asked = await post(
      cluster.url,
      "/v1/completions",
      { model: MODEL, ...requests[0] },
      { headers: { "x-nereid-explain": "route" } },
    );
    const route = JSON.parse(asked.headers.get("x-nereid-route") ?? "");
    expect(route, "where it went").toMatchObject({ picks: [{ outcome: "accepted", candidates: [{ match: 1, slots: SLOTS }] }] });
  });
});

describe("a client that hangs up", () => {
  const other: CompletionFields = { ...WITHOUT_END, prompt: "The history of the lighthouse begins", max_tokens: 150 };
  const endless: CompletionFields = { ...WITHOUT_END, prompt: "Once upon a time", max_tokens: 4_000 };
  const FREE_WITHIN_MS = 200;
  const ROUNDS = 5;

  test("leaves a slot that is free within 200 ms, and others go on as if it had never been", async () => {
    const alone = await complete(cluster.url, other);
    const going = streamCompletion(cluster.url, other);
    const tookMs: number[] = [];
    for (let round = 0; round < ROUNDS; round++) tookMs.push(await hangUp());
    process.stdout.write(`ms until the slot of a client that hung up was free: ${tookMs.map(Math.round).join(", ")}\n`);
    expect(median(tookMs)).toBeLessThan(FREE_WITHIN_MS);
    expect(await going).toMatchObject({ text: alone.text, done: true });
  });

  test("leaves one too when it waited for a whole answer", async () => {
    const leaving = new AbortController();
    const asked = post(cluster.url, "/v1/completions", { model: MODEL, ...endless }, { signal: leaving.signal });
    await expect.poll(() => cluster.metric("nereid_slots_busy"), POLL).toBe(1);
    leaving.abort();
    await expect(asked).rejects.toThrow("aborted");
    await expect.poll(() => cluster.metric("nereid_slots_busy"), { ...POLL, timeout: 2_000 }).toBe(0);
  });

  /** Milliseconds from leaving a stream in its middle until one slot less is busy. */
  async function hangUp(): Promise<number> {
    const leaving = new AbortController();
    const begun = Promise.withResolvers<void>();
    const stream = streamCompletion(cluster.url, endless, {
      signal: leaving.signal,
      onPiece: (pieces) => {
        if (pieces === 5) begun.resolve();
      },
    });
    await begun.promise;
    const busy = await cluster.metric("nereid_slots_busy");
    const leftMs = systemClock.now();
    leaving.abort();
    await expect(stream).rejects.toThrow("aborted");
    await expect.poll(() => cluster.metric("nereid_slots_busy"), POLL).toBeLessThan(busy);
    return systemClock.now() - leftMs;
  }
});
const POLL = { interval: 5, timeout: 60_000 };

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}
