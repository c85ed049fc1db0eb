/** Bodies that are too large, too deep, broken, slow or in too many pieces; and hosts, origins and methods that are refused. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { FakeClock, turns } from "../support/fake-clock.ts";
import { HeldPace } from "../support/held-pace.ts";
import { SCRIPTED_MODEL } from "../support/scripted-text.ts";
import { getText, postText, RawClient } from "./raw-client.ts";
import { type ScriptedGateway, startScriptedGateway } from "./scripted-gateway.ts";

const MEBIBYTE = 1024 * 1024;
const CHAT = "/v1/chat/completions";

let gateway: ScriptedGateway;

beforeAll(async () => {
  gateway = await startScriptedGateway();
});

afterAll(() => gateway[Symbol.asyncDispose]());

async function post(path: string, body: string): Promise<Response> {
  return fetch(gateway.url + path, { method: "POST", body });
}

function chatBody(content: string, options: object = {}): string {
  return JSON.stringify({ model: SCRIPTED_MODEL, messages: [{ role: "user", content }], ...options });
}

describe("too much", () => {
  test("a body of 65 MiB is 413 in OpenAI's shape while it still arrives, and the connection stays usable", async () => {
    using client = await RawClient.open(gateway.server.port);
    const body = Buffer.alloc(65 * MEBIBYTE, " ");
    client.send(postText(CHAT, body));
    const early = await client.until("}}");
    expect(early).toMatch(/^HTTP\/1.1 413 /);
    expect(early).toContain(`the request body of ${body.length} bytes exceeds the limit of ${64 * MEBIBYTE} bytes`);
    expect(await client.send(body, getText("/v2/health/live")).until("\r\n\r\n")).toMatch(/^HTTP\/1.1 200 /);
  });

  test("the same in chunks is refused as soon as it passes the limit, and in Triton's shape on its paths", async () => {
    using client = await RawClient.open(gateway.server.port);
    client.send(`POST /v2/models/x/generate HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n`);
    const mebibyte = Buffer.alloc(MEBIBYTE, " ");
    for (let sent = 0; sent < 65; sent++) client.send(`${MEBIBYTE.toString(16)}\r\n`, mebibyte, "\r\n");
    expect(await client.until('"}')).toMatch(
      /^HTTP\/1.1 400 [\s\S]*\{"error":"request JSON size exceeds the maximum allowed input size of 67108864 bytes\. Use --http-max-input-size to increase the limit\."\}/,
    );
    expect(await client.send("0\r\n\r\n", getText("/v2/health/live")).until("\r\n\r\n")).toMatch(/^HTTP\/1.1 200 /);
  });

  test("more than 65,536 chunks are refused", async () => {
    using client = await RawClient.open(gateway.server.port);
    client.send(`POST ${CHAT} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n`, "1\r\n \r\n".repeat(65_537));
    expect(await client.until("}}")).toMatch(/^HTTP\/1.1 400 [\s\S]*Chunked request body exceeds maximum of 65536 non-empty chunks/);
  });

  test("JSON of 100,000 levels is 400, small or large", async () => {
    for (const levels of [101, 100_000, 400_000]) {
      const answer = await post(CHAT, `{"messages":${"[".repeat(levels)}${"]".repeat(levels)}}`);
      expect(answer.status).toBe(400);
      expect(await answer.json()).toMatchObject({ error: { code: "json_too_deep", type: "invalid_request_error" } });
    }
    const triton = await post(`/v2/models/${encodeURIComponent(SCRIPTED_MODEL)}/generate`, "[".repeat(200));
    expect([triton.status, await triton.json()]).toEqual([400, { error: "JSON nesting depth exceeds maximum allowed limit (100)" }]);
  });

  test("a body that is read by the worker gets the answer that it would get here", async () => {
    const padding = " ".repeat(300 * 1024);
    const [small, large] = await Promise.all(
      ["", padding].map(
        async (pad) => (await post(CHAT, chatBody("Hi", { temperature: 0 }) + pad)).json() as Promise<{ choices: unknown }>,
      ),
    );
    expect(large?.choices).toEqual(small?.choices);
    const wrong = await post(CHAT, chatBody("Hi", { temperature: 3 }) + padding);
    expect([wrong.status, await wrong.json()]).toMatchObject([400, { error: { param: "temperature" } }]);
    const broken = await post(CHAT, `{"model":${padding}`);
    expect([broken.status, await broken.json()]).toMatchObject([400, { error: { code: "malformed_json" } }]);
  });

  test("streams go on while a body of 20 MB is read", async () => {
    const hold = new HeldPace(0);
    await using busy = await startScriptedGateway({ pace: hold.pace, naturalLength: 500 });
    using client = await RawClient.open(busy.server.port);
    await client.send(postText(CHAT, chatBody("Hi", { stream: true }))).until('"role"');
    let answered = false;
    const body = JSON.stringify({ model: SCRIPTED_MODEL, messages: "[],".repeat(7 * MEBIBYTE) });
    const large = fetch(busy.url + CHAT, { method: "POST", body }).then((answer) => {
      answered = true;
      return answer.status;
    });
    let tokens = 0;
    for (; !answered && tokens < 400; tokens++) {
      hold.release(1);
      await client.until("finish_reason");
    }
    expect(await large).toBe(400);
    expect(tokens).toBeGreaterThan(5);
  });

  test("a text that no context holds is refused by its length", async () => {
    const answer = await post(CHAT, chatBody("x".repeat(3 * MEBIBYTE)));
    expect([answer.status, await answer.json()]).toMatchObject([400, { error: { code: "context_length_exceeded", param: "messages" } }]);
  });

  test("headers beyond 16 KiB or 100 are 431", async () => {
    using client = await RawClient.open(gateway.server.port);
    expect(await client.send(getText("/v2", `X-Large: ${"x".repeat(20_000)}\r\n`)).ended()).toMatch(/^HTTP\/1.1 431 [\s\S]*\{"error":/);
    using other = await RawClient.open(gateway.server.port);
    expect(await other.send(getText("/v2", "X-Many: 1\r\n".repeat(120))).until("}")).toMatch(/^HTTP\/1.1 431 /);
  });
});

describe("too slow", () => {
  test("a body that stops arriving is cut after its idle time", async () => {
    const clock = new FakeClock();
    await using slow = await startScriptedGateway({ clock });
    using client = await RawClient.open(slow.server.port);
    client.send(`POST ${CHAT} HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 100\r\n\r\n`);
    expect(await client.until("\r\n\r\n")).toBe("HTTP/1.1 100 Continue\r\n\r\n");
    clock.advance(9_000);
    await turns();
    clock.advance(2_000);
    expect(await client.ended()).toBe("");
    clock.advance(2_000);
    expect(clock.pending).toBe(0);
  });

  test("headers that never end are 408", async () => {
    await using slow = await startScriptedGateway({ limits: { headersMsMax: 50, sweepMs: 10 } });
    using client = await RawClient.open(slow.server.port);
    expect(await client.send("GET /v2 HTTP/1.1\r\nHost: local").ended()).toMatch(/^HTTP\/1.1 408 [\s\S]*\{"error":/);
  });
});

describe("wrong", () => {
  test.each(["", "{", '{"model":', "[1,2", "nonsense", "\xff\xfe"])("JSON %j is 400 and the connection stays usable", async (text) => {
    using client = await RawClient.open(gateway.server.port);
    expect(await client.send(postText(CHAT, Buffer.from(text, "latin1")), Buffer.from(text, "latin1")).until("}}")).toMatch(
      /^HTTP\/1.1 400 [\s\S]*"type":"invalid_request_error"/,
    );
    expect(await client.send(getText("/v2/health/live")).until("\r\n\r\n")).toMatch(/^HTTP\/1.1 200 /);
  });

  test.each([
    ["GET", CHAT, 405, '"code":"method_not_allowed"'],
    ["DELETE", "/v1/models/x", 405, "this path takes GET only"],
    ["OPTIONS", CHAT, 405, '"code":"method_not_allowed"'],
    ["PROPFIND", "/v1/models", 405, '"code":"method_not_allowed"'],
    ["GET", "/v1/nothing", 404, '"code":"unknown_url"'],
    ["POST", "/v1", 404, '"code":"unknown_url"'],
    ["GET", "/v1/models/%zz", 400, '"type":"invalid_request_error"'],
    ["HEAD", "/v2", 405, ""],
    ["PUT", "/v2", 405, '{"error":"Method Not Allowed"}'],
    ["POST", "/v2/health/live", 405, '{"error":"Method Not Allowed"}'],
    ["GET", "/v2/", 404, '{"error":"Not Found"}'],
    ["GET", "/v2/nothing", 404, '{"error":"Not Found"}'],
    ["GET", "/v10", 404, '{"error":"Not Found"}'],
    ["GET", "//v2", 404, '{"error":"Not Found"}'],
    ["GET", "/V2", 404, '{"error":"Not Found"}'],
    ["POST", "/", 405, '{"error":"Method Not Allowed"}'],
    ["POST", "/console/state", 405, '{"error":"Method Not Allowed"}'],
  ])("%s %s is %i in the shape of its API", async (method, path, status, said) => {
    using client = await RawClient.open(gateway.server.port);
    const answer = await client
      .send(`${method} ${path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n${getText("/v2")}`)
      .until('"name"');
    expect(answer).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
    expect(answer).toContain(said);
    if (status === 405) expect(answer).toMatch(/\r\nallow: (GET|POST)\r\n/);
  });

  test("bytes that are no HTTP get an answer and the door", async () => {
    using client = await RawClient.open(gateway.server.port);
    expect(await client.send("garbage\r\n\r\n").ended()).toMatch(
      /^HTTP\/1.1 400 Bad Request[\s\S]*\{"error":"the request is not HTTP\/1.1"\}$/,
    );
  });

  test("but for an empty line before a request, as old clients end their bodies", async () => {
    using client = await RawClient.open(gateway.server.port);
    expect(await client.send(`\r\n${getText("/v2/health/live")}`).until("\r\n\r\n")).toMatch(/^HTTP\/1.1 200 /);
  });

  test("two framings of one body are refused", async () => {
    using client = await RawClient.open(gateway.server.port);
    const smuggled = `POST ${CHAT} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`;
    expect(await client.send(smuggled).ended()).toMatch(/^HTTP\/1.1 400 /);
  });

  test("a smuggled request behind a body that could be read in two ways is never answered", async () => {
    const behind = getText("/v2");
    const head = `POST ${CHAT} HTTP/1.1\r\nHost: localhost\r\n`;
    for (const framing of [
      "Content-Length: 0\r\nContent-Length: 50\r\n\r\n",
      "Transfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n0\r\n\r\n",
      "Transfer-Encoding : chunked\r\nContent-Length: 0\r\n\r\n",
      "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
      "Transfer-Encoding: chunked\r\n\r\n0\n\r\n",
      "Transfer-Encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n",
      "Content-Length: 0\r\n X: folded\r\n\r\n",
      "X: 1\nContent-Length: 0\r\n\r\n",
    ]) {
      using client = await RawClient.open(gateway.server.port);
      const answer = await client.send(head, framing, behind).ended();
      expect(answer, framing).not.toContain('"extensions"');
      expect(answer, framing).toMatch(/^(HTTP\/1.1 400 |$)/);
    }
  });

  test("a body may come byte by byte, and its client may wait to be asked for it", async () => {
    using client = await RawClient.open(gateway.server.port);
    const body = Buffer.from(chatBody("Hi", { max_tokens: 1 }));
    client.send(postText(CHAT, body, "Expect: 100-continue\r\n"));
    expect(await client.until("\r\n\r\n")).toBe("HTTP/1.1 100 Continue\r\n\r\n");
    for (const byte of body) client.send(Uint8Array.of(byte));
    expect(await client.until("}}")).toMatch(/^HTTP\/1.1 200 /);
    client.send(postText("/v1/nothing", body, "Expect: 100-continue\r\n"));
    expect(await client.ended()).toMatch(/^HTTP\/1.1 404 [\s\S]*connection: close/i);
  });

  test("any content type is read as JSON, and a compressed body is refused", async () => {
    for (const type of ["application/json ;", "text/plain", "application/x-www-form-urlencoded", "a/b;charset=x;;"]) {
      const answer = await fetch(gateway.url + CHAT, { method: "POST", body: chatBody("Hi"), headers: { "content-type": type } });
      expect(answer.status).toBe(200);
    }
    const gzip = await fetch(gateway.url + CHAT, { method: "POST", body: "x", headers: { "content-encoding": "gzip" } });
    expect(gzip.status).toBe(400);
  });
});

describe("browsers", () => {
  test.each([
    ["localhost", 200],
    ["localhost:8000", 200],
    ["127.0.0.1:1", 200],
    ["[::1]:8000", 200],
    ["evil.example", 421],
    ["localhost.evil.example:8000", 421],
    ["192.168.0.7", 421],
  ])("Host %s is %i on a loopback port", async (host, status) => {
    using client = await RawClient.open(gateway.server.port);
    const answer = await client.send(`GET /v2 HTTP/1.1\r\nHost: ${host}\r\n\r\n`).until("}");
    expect(answer).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
    const unknown = await client.send(`GET /nope HTTP/1.1\r\nHost: ${host}\r\n\r\n`).until("}");
    expect(unknown).toMatch(new RegExp(`^HTTP/1.1 ${status === 200 ? 404 : 421} `));
  });

  test("a page of another origin may not post, and no answer lets it read", async () => {
    const asked = (origin: string) => fetch(gateway.url + CHAT, { method: "POST", body: chatBody("Hi"), headers: { origin } });
    expect((await asked("https://evil.example")).status).toBe(403);
    expect((await asked("null")).status).toBe(403);
    const own = await asked(gateway.url);
    expect(own.status).toBe(200);
    expect([...own.headers.keys()].filter((name) => name.startsWith("access-control"))).toEqual([]);
  });
});

test("bytes that are no HTTP, sent behind a running stream, end the connection without a word in it", async () => {
  const hold = new HeldPace(1);
  await using busy = await startScriptedGateway({ pace: hold.pace });
  using client = await RawClient.open(busy.server.port);
  await client.send(postText(CHAT, chatBody("Hi", { stream: true }))).until('"content":" ');
  expect(await client.send("garbage\r\n\r\n").ended()).toBe("");
  await expect.poll(() => busy.text.canceled, { interval: 1 }).toBe(1);
});
