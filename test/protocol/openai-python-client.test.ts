/** What OpenAI's own Python client makes of our answers; what they hold is told closer in openai-client.test.ts. */
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { HeldPace } from "../support/held-pace.ts";
import { pythonJson } from "../support/python.ts";
import { SCRIPTED_MODEL } from "../support/scripted-text.ts";
import { startScriptedGateway } from "./scripted-gateway.ts";

const SCRIPT = fileURLToPath(new URL("openai_client.py", import.meta.url));

test("OpenAI's Python client chats, completes, lists models, is refused in its own classes, and cancels when it leaves", async () => {
  await using gateway = await startScriptedGateway();
  await using held = await startScriptedGateway({ pace: new HeldPace(2).pace });
  await using failing = await startScriptedGateway({ fail: { atPosition: 2, code: "UNAVAILABLE", message: "the last node is gone" } });
  const results = await pythonJson(SCRIPT, [SCRIPTED_MODEL, gateway.url, held.url, failing.url]);
  expect(results).toEqual({
    plain: {
      chat: [true, "stop", false],
      one_stream: 1,
      usage: [[], true, 6],
      helper: true,
      logprobs: -0.25,
      completions: true,
      models: [[SCRIPTED_MODEL], SCRIPTED_MODEL],
      refused: {
        model: ["NotFoundError", 404, "model_not_found", "model"],
        retrieve: ["NotFoundError", 404, "model_not_found", "model"],
        context: ["BadRequestError", 400, "context_length_exceeded", "messages"],
        temperature: ["BadRequestError", 400, null, "temperature"],
        tools: ["BadRequestError", 400, null, "tools"],
        tool_choice: ["BadRequestError", 400, null, "tool_choice"],
        json: ["BadRequestError", 400, null, "response_format"],
        embeddings: ["NotFoundError", 404, "unknown_url", null],
        mid_stream: ["APIError", null, null, null],
      },
      left: true,
    },
    async: { chat: true, models: [SCRIPTED_MODEL], canceled: "CancelledError" },
  });
  await expect.poll(() => held.text.canceled, { interval: 1 }).toBe(2);
  expect([gateway.text.running, held.text.running]).toEqual([0, 0]);
});
