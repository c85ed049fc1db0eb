/** Limits of API keys, as clients of every door meet them. */
import OpenAI, { APIError, RateLimitError } from "openai";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { seededRandom } from "../../core/random.ts";
import { newApiKey } from "../../gateway/access/api-keys.ts";
import { GRPCInferenceService } from "../../protos/gen/grpc_service_pb.ts";
import { HeldPace } from "../support/held-pace.ts";
import { SCRIPTED_MODEL, ScriptedText } from "../support/scripted-text.ts";
import { GrpcClient } from "./grpc-client.ts";
import { type ScriptedDoors, startDoors } from "./open-doors.ts";
import { RawClient } from "./raw-client.ts";

const random = seededRandom(9n);
const LIMITS = {
  few: "requests/min=3",
  tokens: "tokens/min=100",
  day: "tokens/day=40",
  one: "concurrent=1",
  tensors: "tokens/min=8",
  both: "requests/min=1",
  all: "requests/min=1000,tokens/min=1000000",
  none: undefined,
} as const;
type Name = keyof typeof LIMITS;
const keys = new Map(Object.keys(LIMITS).map((name) => [name, newApiKey(random, { tenant: name, access: ["inference"] })]));
const lineOf = ([name, limits]: readonly [string, string | undefined]) => [keys.get(name)?.line, limits].join(" ").trim();
const keyOf = (name: Name) => keys.get(name)?.key ?? "";

const apiKeys = Object.entries(LIMITS).map(lineOf).join(";");
let doors: ScriptedDoors;

beforeAll(async () => {
  doors = await startDoors({ apiKeys }, { text: new ScriptedText({ naturalLength: 4 }) });
  await doors.models.load("identity_fp32", { files: new Map() });
});
afterAll(() => doors?.[Symbol.asyncDispose]());

const client = (name: Name) => new OpenAI({ baseURL: `${doors.httpAddress}/v1`, apiKey: keyOf(name), maxRetries: 0 });
const messages = [{ role: "user" as const, content: "Hi" }];
const ask = (name: Name, fields: object = {}) =>
  client(name)
    .chat.completions.create({ model: SCRIPTED_MODEL, messages, max_tokens: 2, ...fields })
    .withResponse();
const failureOf = async (asked: Promise<unknown>): Promise<APIError> => {
  const thrown = await asked.then(
    () => undefined,
    (error: unknown) => error,
  );
  if (thrown instanceof APIError) return thrown;
  throw new Error(`no APIError but ${String(thrown)}`);
};

describe("OpenAI's door", () => {
  test("says what is left with every answer, and what remains only falls while nothing comes back", async () => {
    const remaining: number[] = [];
    for (let request = 0; request < 4; request++) {
      const { response } = await ask("all");
      expect(response.headers.get("x-ratelimit-limit-requests")).toBe("1000");
      expect(response.headers.get("x-ratelimit-reset-tokens")).toMatch(/^[\d.]+m?s$/);
      remaining.push(Number(response.headers.get("x-ratelimit-remaining-requests")));
    }
    expect(remaining).toEqual(remaining.toSorted((a, b) => b - a));
    const { response } = await ask("none");
    expect([...response.headers.keys()].filter((name) => name.startsWith("x-ratelimit"))).toEqual([]);
  });

  test("refuses a request too many with 429, when to come back, and the same body as OpenAI's", async () => {
    for (let request = 0; request < 3; request++) await ask("few");
    const error = await failureOf(ask("few"));
    expect(error).toBeInstanceOf(RateLimitError);
    expect(error).toMatchObject({ status: 429, type: "rate_limit_error", code: "rate_limit_exceeded", param: null });
    expect(error.message).toContain("is limited to 3 requests a minute: try again in");
    const seconds = Number(error.headers?.get("retry-after"));
    expect(seconds).toBeGreaterThan(0);
    expect(seconds).toBeLessThanOrEqual(20);
    expect(Number(error.headers?.get("retry-after-ms"))).toBeLessThanOrEqual(1_000 * seconds);
    expect(error.headers?.get("x-ratelimit-remaining-requests")).toBe("0");
  });

  test("takes what an answer may have, and gives back what it has not", async () => {
    for (let request = 0; request < 3; request++) await ask("tokens", { max_tokens: 60 });
    const error = await failureOf(ask("tokens", { max_tokens: 100 }));
    expect(error.message).toContain("limited to 100 tokens a minute");
    expect(Number(error.headers?.get("x-ratelimit-remaining-tokens"))).toBeGreaterThan(60);
  });

  test("has a day's quota, too, with a code of its own", async () => {
    for (let request = 0; request < 2; request++) await ask("day", { max_tokens: 20 });
    expect(await failureOf(ask("day", { max_tokens: 40 }))).toMatchObject({ status: 429, code: "insufficient_quota" });
  });

  test("lets one at a time in where that is the limit, and the next one when the first has left", async () => {
    const held = new HeldPace(2);
    await using own = await startDoors({ apiKeys }, { text: new ScriptedText({ pace: held.pace }) });
    const leave = new AbortController();
    const post = (fields: object, signal?: AbortSignal) =>
      fetch(`${own.httpAddress}/v1/chat/completions`, {
        method: "POST",
        headers: { authorization: `Bearer ${keyOf("one")}` },
        body: JSON.stringify({ model: SCRIPTED_MODEL, messages, ...fields }),
        ...(signal !== undefined && { signal }),
      });
    const first = await post({ stream: true }, leave.signal);
    const refused = await post({ max_tokens: 1 });
    expect([refused.status, await refused.text()]).toEqual([429, expect.stringContaining("limited to 1 requests at once")]);
    leave.abort();
    await first.text().catch(() => {});
    await expect.poll(() => own.text.running, { interval: 1 }).toBe(0);
    expect((await post({ max_tokens: 1 })).status).toBe(200);
  });

  test("does not read the body of a request that has nothing left", async () => {
    using raw = await RawClient.open(Number(new URL(doors.httpAddress ?? "").port));
    await ask("both");
    const head = `POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${keyOf("both")}\r\nContent-Length: 1000000\r\n\r\n`;
    expect(await raw.send(head).until("}}")).toMatch(/^HTTP\/1.1 429 /);
  });
});

describe("Triton's doors", () => {
  test("count four bytes of tensors as a token, over HTTP and gRPC together", async () => {
    const infer = async () => {
      const inputs = [{ name: "INPUT0", datatype: "FP32", shape: [1, 4], data: [1, 2, 3, 4] }];
      const headers = { authorization: `Bearer ${keyOf("tensors")}` };
      return await fetch(`${doors.httpAddress}/v2/models/identity_fp32/infer`, {
        method: "POST",
        headers,
        body: JSON.stringify({ inputs }),
      });
    };
    expect((await infer()).status).toBe(200);
    using grpc = new GrpcClient(doors.grpcPort);
    const message = {
      modelName: "identity_fp32",
      inputs: [{ name: "INPUT0", datatype: "FP32", shape: [1n, 4n] }],
      rawInputContents: [new Uint8Array(16)],
    };
    const options = { metadata: { authorization: `Bearer ${keyOf("tensors")}` } };
    expect((await grpc.unary(GRPCInferenceService.method.modelInfer, message, options)).code).toBe("OK");
    const refused = await grpc.unary(GRPCInferenceService.method.modelInfer, message, options);
    expect([refused.code, refused.details]).toEqual(["RESOURCE_EXHAUSTED", expect.stringContaining("limited to 8 tokens a minute")]);
    const answer = await infer();
    expect([answer.status, Number(answer.headers.get("retry-after"))]).toEqual([429, expect.any(Number)]);
    expect(await answer.text()).toMatch(/^\{"error":"the API key [0-9a-f]{12} is limited to 8 tokens a minute: try again in /);
  });

  test("leave reading and health alone when nothing is left", async () => {
    const headers = { authorization: `Bearer ${keyOf("both")}` };
    const reading = await fetch(`${doors.httpAddress}/v2/models/identity_fp32`, { headers });
    expect(reading.status).toBe(200);
    expect((await fetch(`${doors.httpAddress}/v2/health/live`)).status).toBe(200);
  });
});
