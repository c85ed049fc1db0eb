/** What a collector gets of a chat on a model in two stages: the parts of the time to its first token, and nothing of what was said. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { MODEL, type RunningCluster, startRealCluster } from "../support/cluster.ts";
import { type ShardCache, shardCache } from "../support/replica.ts";
import { type ReceivedSpan, startTraceReceiver, type TraceReceiver } from "../support/trace-receiver.ts";

const MARKER = "xylographer";
const TOKENS = 6;

let cache: ShardCache;
let receiver: TraceReceiver;
let cluster: RunningCluster;

beforeAll(async () => {
  cache = await shardCache();
  receiver = await startTraceReceiver();
  const config = "opentelemetry,bsp_schedule_delay=50";
  const flags = { "--otlp-endpoint": receiver.endpoint, "--trace-config": config, "--log-level": "debug" };
  cluster = await startRealCluster(cache, { flags });
});
afterAll(async () => {
  await cluster?.[Symbol.asyncDispose]();
  await receiver?.[Symbol.asyncDispose]();
  await cache?.[Symbol.asyncDispose]();
});

function one(name: string): ReceivedSpan {
  const [found, ...others] = receiver.spans.filter((span) => span.name === name);
  if (found === undefined || others.length > 0) throw new Error(`there are ${others.length} more than one span ${name}`);
  return found;
}

const eventNs = (span: ReceivedSpan, name: string): bigint => span.events.find((event) => event.name === name)?.atNs ?? 0n;
const lengthNs = ({ startNs, endNs }: ReceivedSpan): bigint => endNs - startNs;

describe("a streamed chat", () => {
  test("is one trace, whose parts up to the first token follow each other and add up to the whole", async () => {
    const body = { model: MODEL, messages: [{ role: "user", content: `What is a ${MARKER}?` }], max_tokens: TOKENS, stream: true };
    const answer = await fetch(`${cluster.url}/v1/chat/completions`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
    });
    expect(await answer.text()).toContain("[DONE]");
    await receiver.until("POST /v1/chat/completions");
    const root = one("POST /v1/chat/completions");
    expect(receiver.spans.every(({ traceId }) => traceId === root.traceId)).toBe(true);
    const [generate, tokenize, submit] = [one("generate"), one("tokenize"), one("submit")];
    const [model, queue, prefill, decode] = [one(MODEL), one("queue"), one("prefill"), one("decode")];
    const parents = [generate, tokenize, submit, model, queue, prefill, decode].map(({ parentId }) => parentId);
    expect(parents).toEqual([root, generate, generate, submit, model, model, model].map(({ spanId }) => spanId));

    const firstTokenNs = eventNs(generate, "first_token");
    const door = generate.startNs - root.startNs;
    const gaps = [
      tokenize.startNs - generate.startNs,
      submit.startNs - tokenize.endNs,
      queue.startNs - submit.startNs,
      prefill.startNs - queue.endNs,
      firstTokenNs - prefill.endNs,
    ];
    expect(gaps.every((gap) => gap >= 0n)).toBe(true);
    expect(prefill.startNs).toBe(queue.endNs);
    expect(decode.startNs).toBe(prefill.endNs);
    const named = door + lengthNs(tokenize) + lengthNs(queue) + lengthNs(prefill);
    const unnamed = gaps.reduce((sum, gap) => sum + gap, 0n);
    expect(named + unnamed).toBe(firstTokenNs - root.startNs);
  });

  test("tells each token's time, and what each stage computed", () => {
    const decode = one("decode");
    expect(decode.events.map(({ name, attributes }) => [name, attributes["position"]])).toEqual(
      Array.from({ length: TOKENS }, (_, position) => ["token", position]),
    );
    expect(decode.events.every(({ atNs }, place) => atNs >= (decode.events[place - 1]?.atNs ?? decode.startNs))).toBe(true);
    expect(one(MODEL).attributes).toMatchObject({ "gen_ai.request.model": MODEL, "gen_ai.usage.output_tokens": TOKENS });
    for (const stage of [0, 1]) {
      const { attributes, parentId } = one(`stage ${stage}`);
      expect(attributes).toEqual({ stage, steps: expect.any(Number), "compute.us": expect.any(Number) });
      expect(attributes["steps"]).toBeGreaterThanOrEqual(TOKENS); // a prompt may run in chunks
      expect(attributes["compute.us"]).toBeGreaterThan(0);
      expect(parentId).toBe(one(MODEL).spanId);
    }
  });

  test("leaves nothing of what was said in traces, metrics and logs", async () => {
    const metrics = await cluster.metrics();
    expect(metrics).toContain(`nereid_time_to_first_token_seconds_count{model="${MODEL}"} 1`);
    const logged = await cluster.stop();
    const told = [metrics, logged, ...receiver.bodies.map((sent) => Buffer.from(sent).toString("latin1"))];
    expect(told.some((text) => text.includes(MARKER))).toBe(false);
  });
});
