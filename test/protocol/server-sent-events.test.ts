/** Streams as bytes: what is on the wire, when, and what happens when a client goes or does not read. */
import { describe, expect, test } from "vitest";
import { FakeClock, turns } from "../support/fake-clock.ts";
import { HeldPace } from "../support/held-pace.ts";
import { SCRIPTED_MODEL } from "../support/scripted-text.ts";
import { framesOf, getText, postText, RawClient } from "./raw-client.ts";
import { startScriptedGateway } from "./scripted-gateway.ts";

const DONE = "data: [DONE]\n\n";

function chat(options: object): string {
  return postText(
    "/v1/chat/completions",
    JSON.stringify({ model: SCRIPTED_MODEL, messages: [{ role: "user", content: "Hi" }], ...options }),
  );
}

describe("on the wire", () => {
  test("headers and the roles leave before the first token", async () => {
    const hold = new HeldPace(0);
    await using gateway = await startScriptedGateway(hold);
    using client = await RawClient.open(gateway.server.port);
    const early = await client.send(chat({ stream: true })).until('"role":"assistant"');
    expect(early).toMatch(/^HTTP\/1.1 200 OK\r\n/);
    expect(early).toMatch(/\r\ncontent-type: text\/event-stream; charset=utf-8\r\n/);
    expect(early).toMatch(/\r\ncache-control: no-cache\r\n/);
    expect(early).toMatch(/\r\nx-accel-buffering: no\r\n/);
    expect(early).toMatch(/\r\nx-content-type-options: nosniff\r\n/);
    expect(early).not.toMatch(/content-length|content-encoding|access-control/i);
    expect(gateway.text.pulled).toBe(0);
    hold.release(100);
    await client.until(DONE);
  });

  test("every frame is one line of data, and the last one is [DONE]", async () => {
    await using gateway = await startScriptedGateway();
    using client = await RawClient.open(gateway.server.port);
    const stream = await client.send(chat({ stream: true, seed: 1, stream_options: { include_usage: true } })).until(DONE);
    const body = stream.slice(stream.indexOf("\r\n\r\n") + 4).replaceAll(/[0-9a-f]+\r\n|\r\n/g, "");
    expect(body).toMatch(/^(data: [^\n]+\n\n)+$/);
    const frames = framesOf(stream);
    expect(frames.at(-1)).toBe("[DONE]");
    expect(frames.slice(0, -1).map((frame) => Object.keys(JSON.parse(frame)))).toContainEqual([
      "id",
      "object",
      "created",
      "model",
      "system_fingerprint",
      "choices",
      "usage",
    ]);
    expect(frames.slice(0, -2).every((frame) => frame.endsWith(',"usage":null}'))).toBe(true);
    expect(frames.at(-2)).toMatch(/"choices":\[\],"usage":\{"prompt_tokens":3,/);
    expect(frames[1]).toMatch(/"logprobs":null,"finish_reason":null\}/);
  });

  test("a failure before the first event has its own status, and one after it is the last frame without [DONE]", async () => {
    await using gateway = await startScriptedGateway({ fail: { atPosition: 1, code: "UNAVAILABLE", message: "the node is gone" } });
    using client = await RawClient.open(gateway.server.port);
    const early = await client.send(chat({ stream: true, model: "nope" })).until("}}");
    expect(early).toMatch(/^HTTP\/1.1 404 [\s\S]*"code":"model_not_found"/);
    const late = await client.send(chat({ stream: true })).until("0\r\n\r\n");
    expect(late).not.toContain("[DONE]");
    expect(framesOf(late).at(-1)).toBe('{"error":{"message":"the node is gone","type":"server_error","param":null,"code":null}}');
    expect(await client.send(getText("/v2/health/live")).until("\r\n\r\n")).toMatch(/^HTTP\/1.1 200 OK/);
  });

  test("while nothing flows a comment keeps the connection alive", async () => {
    const [hold, clock] = [new HeldPace(1), new FakeClock()];
    await using gateway = await startScriptedGateway({ pace: hold.pace, clock });
    using client = await RawClient.open(gateway.server.port);
    await client.send(chat({ stream: true })).until('"content":" ');
    clock.advance(14_000);
    expect(client.take()).toBe("");
    clock.advance(2_000);
    expect(await client.until("\n\n")).toContain(": keep-alive\n\n");
    clock.advance(15_000);
    expect(await client.until("\n\n")).toContain(": keep-alive\n\n");
    hold.release(100);
    await client.until(DONE);
    await client.send(getText("/v2", "Connection: close\r\n")).ended();
    client.socket.end();
    const pendingLater = () => {
      clock.advance(1_000);
      return clock.pending;
    };
    await expect.poll(pendingLater, { interval: 1 }).toBe(0);
  });

  test("HTTP/1.0 clients get the stream unchunked, and its end is the connection's", async () => {
    await using gateway = await startScriptedGateway();
    using client = await RawClient.open(gateway.server.port);
    const answer = await client.send(chat({ stream: true, max_tokens: 2 }).replace("HTTP/1.1", "HTTP/1.0")).ended();
    expect(answer).not.toMatch(/transfer-encoding/i);
    expect(answer.endsWith(DONE)).toBe(true);
  });
});

describe("a client that goes", () => {
  test.each([
    ["closes its half", (client: RawClient) => client.socket.end()],
    ["resets", (client: RawClient) => client.socket.resetAndDestroy()],
  ])("%s while it waits for the first token: the generation is canceled", async (_, leave) => {
    const hold = new HeldPace(0);
    await using gateway = await startScriptedGateway(hold);
    using client = await RawClient.open(gateway.server.port);
    client.send(chat({ stream: false }));
    await expect.poll(() => hold.held, { interval: 1 }).toBe(1);
    leave(client);
    await expect.poll(() => gateway.text.canceled, { interval: 1 }).toBe(1);
    expect(gateway.text.running).toBe(0);
  });

  test.each([
    ["closes its half", (client: RawClient) => client.socket.end()],
    ["resets", (client: RawClient) => client.socket.resetAndDestroy()],
  ])("%s in the middle of a stream: no token more is pulled", async (_, leave) => {
    const hold = new HeldPace(3);
    await using gateway = await startScriptedGateway(hold);
    using client = await RawClient.open(gateway.server.port);
    client.send(chat({ stream: true }));
    await expect.poll(() => hold.held, { interval: 1 }).toBe(1);
    leave(client);
    await expect.poll(() => gateway.text.canceled, { interval: 1 }).toBe(1);
    expect(gateway.text).toMatchObject({ running: 0, pulled: 3 });
  });

  test("does not read: pulling stops, and after the time for that the connection is cut", async () => {
    const clock = new FakeClock();
    const word = () => "salt".repeat(16 * 1024);
    await using gateway = await startScriptedGateway({ word, naturalLength: 4_000, clock });
    using client = await RawClient.open(gateway.server.port);
    client.socket.pause();
    client.send(chat({ stream: true }));
    for (let before = -1; before !== gateway.text.pulled; await turns(200)) before = gateway.text.pulled;
    expect(gateway.text.pulled).toBeLessThan(400); // 64 KiB each: some MiB of kernel buffers
    expect(gateway.text.running).toBe(1);
    clock.advance(29_000);
    expect(gateway.text.running).toBe(1);
    clock.advance(3_000);
    await expect.poll(() => gateway.text.canceled, { interval: 1 }).toBe(1);
    expect(gateway.text.running).toBe(0);
  });
});

describe("keep-alive", () => {
  test("a connection is used again after a whole answer, a finished stream and a failed one", async () => {
    await using gateway = await startScriptedGateway();
    using client = await RawClient.open(gateway.server.port);
    for (const round of [1, 2]) {
      expect(await client.send(chat({ max_tokens: round })).until("}}")).toMatch(/^HTTP\/1.1 200 /);
      await client.send(chat({ stream: true })).until("0\r\n\r\n");
      expect(await client.send(chat({ n: 99 })).until("}}")).toMatch(/^HTTP\/1.1 400 /);
    }
    expect(gateway.text.requests).toHaveLength(4);
  });

  test("pipelined requests are answered in order, also behind a stream", async () => {
    await using gateway = await startScriptedGateway();
    using client = await RawClient.open(gateway.server.port);
    client.send(chat({ stream: true, max_tokens: 2 }) + getText("/v2") + getText("/v2/nothing") + chat({ max_tokens: 1 }));
    const answers = await client.until(/"chat\.completion"[\s\S]*\}\}/);
    expect([...answers.matchAll(/HTTP\/1.1 (\d+)/g)].map((match) => match[1])).toEqual(["200", "200", "404", "200"]);
    expect(answers.indexOf("[DONE]")).toBeLessThan(answers.indexOf('"extensions"'));
  });
});

describe("closing", () => {
  test("what runs may finish, health says so, and new connections are refused", async () => {
    const hold = new HeldPace(1);
    const gateway = await startScriptedGateway(hold);
    using streaming = await RawClient.open(gateway.server.port);
    using idle = await RawClient.open(gateway.server.port);
    await streaming.send(chat({ stream: true })).until('"content":" ');
    await idle.send(getText("/v2/health/live")).until("\r\n\r\n");
    const closing = gateway.server.close(60_000);
    await idle.ended();
    await expect(RawClient.open(gateway.server.port)).rejects.toThrow(/ECONNREFUSED/);
    streaming.send(getText("/v2/health/ready"));
    await turns();
    hold.release(100);
    const rest = await streaming.ended();
    expect(rest).toContain(DONE);
    expect(rest).toMatch(/HTTP\/1.1 503 [\s\S]*connection: close[\s\S]*\{"error":"Server exiting"\}/i);
    await closing;
  });

  test("when the grace is over a stream ends with the reason", async () => {
    const hold = new HeldPace(1);
    const gateway = await startScriptedGateway(hold);
    using client = await RawClient.open(gateway.server.port);
    await client.send(chat({ stream: true })).until('"content":" ');
    await gateway.server.close(10);
    const rest = await client.ended();
    expect(rest).toMatch(/data: \{"error":\{"message":"the server is stopping/);
    expect(rest).not.toContain("[DONE]");
    expect(gateway.text.running).toBe(0);
  });

  test("a client that hangs on is cut", async () => {
    const gateway = await startScriptedGateway();
    using client = await RawClient.open(gateway.server.port);
    client.send("POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n{");
    await turns();
    await gateway.server.close(10);
    await client.ended();
  });
});
