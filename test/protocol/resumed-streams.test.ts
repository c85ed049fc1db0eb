/** Streams that their clients come back for, on the wire: what OpenAI's and Triton's doors send after the last event that a client has. */
import { describe, expect, test } from "vitest";
import { seededRandom } from "../../core/random.ts";
import { newApiKey } from "../../gateway/access/api-keys.ts";
import { SCRIPTED_MODEL } from "../support/scripted-text.ts";
import { startDoors } from "./open-doors.ts";
import { type ScriptedGateway, startScriptedGateway } from "./scripted-gateway.ts";

const RESUMABLE = { "x-nereid-resumable": "true" };
const GENERATE = `/v2/models/${encodeURIComponent(SCRIPTED_MODEL)}/generate_stream`;
const messages = [{ role: "user", content: "Hi" }];
const REQUESTS = {
  chat: [
    "/v1/chat/completions",
    { model: SCRIPTED_MODEL, stream: true, messages, n: 2, logprobs: true, seed: 1, stream_options: { include_usage: true } },
  ],
  completion: ["/v1/completions", { model: SCRIPTED_MODEL, stream: true, prompt: "The sea", max_tokens: 9, echo: true, seed: 2 }],
  generate: [GENERATE, { id: "7", text_input: "The sea", max_tokens: 9, random_seed: 3 }],
} as const;

async function asked(url: string, path: string, init: RequestInit) {
  const response = await fetch(url + path, init);
  return { status: response.status, generation: response.headers.get("x-nereid-generation"), body: await response.text() };
}

const post = ({ url }: ScriptedGateway, kind: keyof typeof REQUESTS, headers: Record<string, string> = RESUMABLE) =>
  asked(url, REQUESTS[kind][0], { method: "POST", headers, body: JSON.stringify(REQUESTS[kind][1]) });
const come = ({ url }: ScriptedGateway, generation: string, headers: Record<string, string> = {}) =>
  asked(url, `/v1/streams/${generation}`, { headers });

/** Each with its blank line; comments are none. */
const eventsOf = (body: string): readonly string[] => body.split(/(?<=\n\n)/);
const idOf = (event: string): string | undefined => /^id: (.*)$/m.exec(event)?.[1];

describe.each(["chat", "completion", "generate"] as const)("a stream of %s", (kind) => {
  test("goes on after any of its events, by another GET or the same POST", async () => {
    await using gateway = await startScriptedGateway();
    const { status, generation, body } = await post(gateway, kind);
    expect(status).toBe(200);
    const events = eventsOf(body);
    expect(events.length).toBeGreaterThan(8);
    for (const [index, event] of events.entries()) {
      const id = idOf(event);
      if (id === undefined) continue;
      expect(id.split(".")[0]).toBe(generation);
      const rest = events.slice(index + 1).join("");
      expect((await post(gateway, kind, { "last-event-id": id })).body).toBe(rest);
      if (kind !== "generate") expect((await come(gateway, generation ?? "", { "last-event-id": id })).body).toBe(rest);
    }
    if (kind !== "generate") expect((await come(gateway, generation ?? "")).body).toBe(body);
  });

  test("has no ids, and no generation to come back for, unless it is asked for", async () => {
    await using gateway = await startScriptedGateway();
    const plain = await post(gateway, kind, {});
    expect(plain).toMatchObject({ status: 200, generation: null });
    expect(plain.body).not.toMatch(/^id:/m);
    expect((await post(gateway, kind)).body.replaceAll(/^id: .*\n/gm, "").replaceAll("g2", "g1")).toBe(plain.body);
  });
});

test("a whole answer is what it was, whatever its header asks", async () => {
  await using gateway = await startScriptedGateway();
  const body = JSON.stringify({ ...REQUESTS.chat[1], stream: false, stream_options: undefined });
  const whole = await asked(gateway.url, REQUESTS.chat[0], { method: "POST", headers: RESUMABLE, body });
  expect(whole).toMatchObject({ status: 200, generation: null });
});

test("what cannot be resumed is refused by name", async () => {
  await using gateway = await startScriptedGateway();
  const { generation: ofChat } = await post(gateway, "chat");
  const { generation: ofGenerate } = await post(gateway, "generate");
  const wrong = async (answer: Promise<{ readonly status: number; readonly body: string }>, status: number, message: RegExp) => {
    const { status: answered, body } = await answer;
    expect(answered, body).toBe(status);
    expect(body).toMatch(message);
  };
  await wrong(come(gateway, "g99"), 404, /generation_unknown/);
  await wrong(come(gateway, "g1", { "last-event-id": "g2.0.1" }), 400, /of another stream/);
  await wrong(come(gateway, "g1", { "last-event-id": "rubbish!" }), 400, /no id of an event/);
  await wrong(come(gateway, ofGenerate ?? ""), 400, /repeat the request/);
  await wrong(post(gateway, "generate", { "last-event-id": ofChat ?? "" }), 400, /GET \/v1\/streams/);
  await wrong(post(gateway, "chat", { "x-nereid-resumable": "perhaps" }), 400, /may be true or false/);
  const several = JSON.stringify({ ...REQUESTS.completion[1], prompt: ["a", "b"] });
  await wrong(asked(gateway.url, "/v1/completions", { method: "POST", headers: RESUMABLE, body: several }), 400, /2 prompts/);
  expect(gateway.text.running).toBe(0);
});

test("R47: another tenant's stream does not exist, and its owner's goes on", async () => {
  const random = seededRandom(1n);
  const [owner, thief] = ["acme", "evil"].map((tenant) => newApiKey(random, { tenant, access: ["inference"] }));
  if (owner === undefined || thief === undefined) throw new Error("there are two keys");
  await using doors = await startDoors({ apiKeys: `${owner.line};${thief.line}` });
  const bearer = (key: string) => ({ authorization: `Bearer ${key}` });
  const [path, fields] = REQUESTS.completion;
  const url = doors.httpAddress ?? "";
  const { generation } = await asked(url, path, {
    method: "POST",
    headers: { ...bearer(owner.key), ...RESUMABLE },
    body: JSON.stringify(fields),
  });
  const stolen = await asked(url, `/v1/streams/${generation}`, { headers: { ...bearer(thief.key), "x-tenant": "acme" } });
  expect(stolen).toMatchObject({ status: 404, generation: null });
  expect(stolen.body).not.toContain("sea");
  expect((await asked(url, `/v1/streams/${generation}`, { headers: bearer(owner.key) })).status).toBe(200);
});
