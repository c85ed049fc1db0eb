/** A stream's frames, byte for byte. */
import { expect, test } from "vitest";
import { ChatChunks } from "../../../../gateway/openai/chat-answer.ts";
import { parseChatRequest } from "../../../../gateway/openai/chat-request.ts";
import { chunkFrames } from "../../../../gateway/openai/chunk-frames.ts";
import { streamShape } from "../../../../gateway/openai/stream-shape.ts";
import type { TextEvent } from "../../../../gateway/serving/generation/text-generation.ts";

const STARTED = { kind: "started", generation: "g", model: "m", version: "1", promptTokens: 2 } as const;
const HEAD = { id: "chatcmpl-g", object: "chat.completion.chunk", created: 5, model: 'm"', system_fingerprint: "fp" };

async function framesOf(fields: object, events: readonly TextEvent[]): Promise<readonly string[]> {
  const body = { model: "m", messages: [{ role: "user", content: "x" }], stream: true, ...fields };
  const call = parseChatRequest(Buffer.from(JSON.stringify(body)));
  async function* source() {
    yield* [STARTED, ...events];
  }
  return Array.fromAsync(chunkFrames(source(), new ChatChunks(HEAD, STARTED, streamShape(call, "chat", 5))));
}

const delta = (text: string) => ({ kind: "delta", choice: 0, text, tokens: [], position: 0 }) as const;
const finished = { kind: "finished", choice: 0, reason: "stop", completionTokens: 3, position: 4 } as const;

test("a frame is one line of JSON whatever the text holds", async () => {
  const text = 'a\n"b"\u2028\\\u0000';
  const frames = await framesOf({}, [delta(text), finished]);
  for (const frame of frames) expect(frame).toMatch(/^data: [^\n]+\n\n$/);
  expect(JSON.parse(frames[1]?.slice(6) ?? "")).toEqual({
    ...HEAD,
    choices: [{ index: 0, delta: { content: text }, logprobs: null, finish_reason: null }],
  });
});

test("nothing is sent for text that is held back", async () => {
  expect(await framesOf({}, [delta(""), delta("a"), delta(""), finished])).toHaveLength(4);
});

test("a stream that ends before its choices do ends in an error, not in [DONE]", async () => {
  const frames = await framesOf({ n: 2 }, [delta("a"), finished]);
  expect(frames.at(-1)).toMatch(/^data: \{"error":\{"message":"the generation ended early","type":"server_error"/);
});
