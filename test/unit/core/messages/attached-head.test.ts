import { expect, test } from "vitest";
import { generationId } from "../../../../core/ids.ts";
import { FRAME_BYTES_MAX } from "../../../../core/link/link.ts";
import { decodeAnswer } from "../../../../core/messages/answer-codec.ts";
import { HeadAssembler, headFrames } from "../../../../core/messages/attached-head.ts";
import type { GenerationSubmit } from "../../../../core/messages/generation.ts";
import { GREEDY } from "../../../../core/model/sampling-parameters.ts";

const submitOf = (promptTokens: number): GenerationSubmit => ({
  kind: "generate",
  generation: generationId("g"),
  replica: "m/1/0",
  tenant: "a",
  remainingMs: undefined,
  traceparent: "",
  promptIds: Int32Array.from({ length: promptTokens }, (_, index) => index),
  choices: 2,
  tokensMax: 10,
  stopIds: [1],
  sampling: GREEDY,
  begun: [{ outputIds: Int32Array.of(4, 5), over: true }],
  resumable: "note",
});

test.each([1, 40_000])("a generation of %i prompt tokens arrives whole, in frames that fit a link", (promptTokens) => {
  const frames = headFrames(submitOf(promptTokens));
  const head = new HeadAssembler();
  const heard = frames.map((frame) => {
    expect(frame.byteLength).toBeLessThanOrEqual(FRAME_BYTES_MAX);
    const answer = decodeAnswer(frame);
    return answer.kind === "part" ? head.push(answer.bytes) : expect.unreachable(answer.kind);
  });
  expect(heard.slice(0, -1).every((one) => one === undefined)).toBe(true);
  expect(heard.at(-1)).toEqual(submitOf(promptTokens));
});

test.each([
  ["nothing", Uint8Array.of()],
  ["half a length", Uint8Array.of(1, 0)],
  ["more than was announced", Uint8Array.of(1, 0, 0, 0, 9, 9)],
  ["no submit", Uint8Array.of(1, 0, 0, 0, 9)],
  ["a length that no submit has", Uint8Array.of(255, 255, 255, 255)],
])("%s is refused", (_, bytes) => {
  expect(() => new HeadAssembler().push(bytes)).toThrow(expect.objectContaining({ code: "INVALID_ARGUMENT" }));
});
