/** Prompts that no cache can know. */
import { expect, test } from "vitest";
import { chatPrompts } from "../../../../bench/llm/chat-prompts.ts";

test("chat prompts differ within a round and between rounds", () => {
  const prompts = [-2, -1, 0, 1, 2].flatMap((round) => chatPrompts(8, round));
  expect(new Set(prompts).size).toBe(prompts.length);
});
