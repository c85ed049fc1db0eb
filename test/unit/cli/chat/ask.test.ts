/** Asking a server: text as it comes, and errors in the server's own words. */
import { createServer, type Server } from "node:http";
import { text } from "node:stream/consumers";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { answerTo, servedModels } from "../../../../cli/chat/ask.ts";

const signal = new AbortController().signal;
let server: Server;
let url: string;
let asked: unknown;
let answer: { status: number; body: string };

beforeEach(async () => {
  server = createServer(async (request, response) => {
    asked = { path: request.url, body: await text(request) };
    response.writeHead(answer.status).end(answer.body);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  url = `http://127.0.0.1:${typeof address === "object" && address !== null ? address.port : 0}`;
});
afterEach(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

async function answered(): Promise<string> {
  let said = "";
  for await (const piece of answerTo([{ role: "user", content: "hi" }], { url, model: "m", maxTokens: 9 }, signal)) said += piece;
  return said;
}

const chunk = (content: string): string => `data: ${JSON.stringify({ choices: [{ index: 0, delta: { content } }] })}\n\n`;

describe("asking a server", () => {
  test("gives the text of the stream, and asks for one", async () => {
    answer = { status: 200, body: `${chunk("Hel")}${chunk("")}${chunk("lo")}data: {"choices":[]}\n\ndata: [DONE]\n\n` };
    expect(await answered()).toBe("Hello");
    expect(asked).toMatchObject({ path: "/v1/chat/completions", body: expect.stringContaining('"stream":true') });
  });

  test("lists the names of the models", async () => {
    answer = { status: 200, body: '{"data":[{"id":"one"},{"id":"two"}]}' };
    expect(await servedModels(url, signal)).toEqual(["one", "two"]);
  });

  test("fails in the server's own words, before the stream and in it", async () => {
    answer = { status: 404, body: '{"error":{"message":"there is no model m"}}' };
    await expect(answered()).rejects.toThrow("there is no model m");
    answer = { status: 200, body: `${chunk("Hel")}data: {"error":{"message":"node lost"}}\n\n` };
    await expect(answered()).rejects.toThrow("the server broke off: node lost");
  });

  test("notices an answer that ends too early", async () => {
    answer = { status: 200, body: chunk("Hel") };
    await expect(answered()).rejects.toThrow("before it was complete");
  });

  test("says so when something else listens, or nobody", async () => {
    answer = { status: 500, body: "<html>" };
    await expect(servedModels(url, signal)).rejects.toThrow("is that a Nereid server?");
    await expect(servedModels("http://127.0.0.1:9", signal)).rejects.toThrow(
      "no server listens at http://127.0.0.1:9: start one with npm start",
    );
  });
});
