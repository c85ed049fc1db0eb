/** What every gRPC call can rely on: sizes, compression, statuses, deadlines, cancellation, and the end of the server. */
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { systemClock } from "../../core/clock.ts";
import { ERROR_CODES, ServingError } from "../../core/errors.ts";
import type { Answered } from "../../gateway/grpc/answered-calls.ts";
import { startGrpcServer } from "../../gateway/grpc/server.ts";
import { GrpcClient } from "./grpc-client.ts";
import { type GrpcDoor, startGrpcDoor } from "./grpc-door.ts";
import { framed, Http2Client, replyOf } from "./grpc-http2-client.ts";
import { DRAIN, ECHO, FAIL, HOLD, RELAY, TestMethods } from "./grpc-test-methods.ts";

const MIB = 1024 * 1024;

let methods: TestMethods;
let door: GrpcDoor;
let client: GrpcClient;

beforeAll(async () => {
  methods = new TestMethods();
  door = await startGrpcDoor({ methods: methods.all() });
  client = new GrpcClient(door.port);
});

afterAll(async () => {
  client[Symbol.dispose]();
  await door[Symbol.asyncDispose]();
});

describe("messages", () => {
  test.each([0, 1, 4 * 1024, 32 * 1024 - 5, 32 * 1024, 32 * 1024 + 1, MIB, 5 * MIB + 7])(
    "of %i bytes come back as they went",
    async (size) => {
      const bytes = Buffer.alloc(size, 0xa5);
      const { code, message } = await client.bytes(ECHO, bytes);
      expect(code).toBe("OK");
      expect(Buffer.compare(Buffer.from(message ?? []), bytes)).toBe(0);
    },
  );

  test("of 65 MiB pass both ways where the limit allows them", async () => {
    const large = new TestMethods();
    await using roomy = await startGrpcDoor({ methods: large.all(), limits: { messageBytesMax: 2 ** 31 - 1 } });
    using roomyClient = new GrpcClient(roomy.port);
    const { code, message } = await roomyClient.bytes(ECHO, Buffer.alloc(65 * MIB, 7));
    expect([code, message?.byteLength]).toEqual(["OK", 65 * MIB]);
  });

  test("over the limit are refused by their announced size, before they are sent", async () => {
    await using http2 = new Http2Client(door.port);
    const stream = http2.open(ECHO);
    stream.write(Buffer.from([0, 4, 0, 0, 1])); // 64 MiB and a byte
    const { code, details } = await replyOf(stream);
    expect(code).toBe("8");
    expect(details).toBe("the message of 67108865 bytes is larger than the 67108864 bytes that this server takes");
  });

  test("1,000 calls at once on one connection are all answered", async () => {
    const outcomes = await Promise.all(Array.from({ length: 1_000 }, (_, index) => client.bytes(ECHO, Buffer.from(String(index)))));
    expect(outcomes.map(({ message }) => Buffer.from(message ?? []).toString())).toEqual(outcomes.map((_, index) => String(index)));
  });

  test.each([
    ["none", framed("").subarray(0, 0), "13", "Echo takes one message, and the client sent none"],
    ["a part of one", framed("abc").subarray(0, 6), "13", "Echo takes one message, and the client sent a part of one"],
    ["a part of a prefix", framed("abc").subarray(0, 3), "13", "Echo takes one message, and the client sent a part of one"],
    ["two", Buffer.concat([framed("a"), framed("b")]), "12", "Echo takes one message, and the client sent more"],
    ["an unknown flag", framed("a", 2), "13", "a message begins with the flag 2: 0 and 1 are known"],
  ])("a unary call with %s is refused", async (_, body, code, details) => {
    await using http2 = new Http2Client(door.port);
    expect(await http2.call(ECHO, body)).toMatchObject({ status: 200, code, details });
  });
});

test("what becomes of each call is told once", async () => {
  const told: string[] = [];
  const own = new TestMethods();
  const answered: Answered = ({ method }, { outcome }) => told.push(`${method} ${outcome}`);
  await using server = await startGrpcServer({ host: "127.0.0.1", port: 0, clock: systemClock, methods: own.all(), answered });
  using caller = new GrpcClient(server.port);
  await caller.bytes(ECHO, Buffer.from("a"));
  await caller.bytes(FAIL, Buffer.from("NOT_FOUND gone"));
  await using http2 = new Http2Client(server.port);
  const held = http2.open(HOLD);
  held.end(framed(""));
  await own.until(() => own.held.length === 1);
  held.close(8);
  await own.until(() => own.reasons.length === 1);
  await caller.bytes(ECHO, Buffer.from("b"));
  expect(told).toEqual(["Echo ok", "Fail NOT_FOUND", "Hold CANCELLED", "Echo ok"]);
});

describe("compression", () => {
  test.each([
    ["deflate", 1],
    ["gzip", 2],
  ])("of requests by %s is understood", async (_, algorithm) => {
    using squeezing = new GrpcClient(door.port, { "grpc.default_compression_algorithm": algorithm });
    const bytes = Buffer.alloc(100_000, "abc");
    const { code, message } = await squeezing.bytes(ECHO, bytes);
    expect([code, Buffer.compare(Buffer.from(message ?? []), bytes)]).toEqual(["OK", 0]);
  });

  test.each(["low", "medium", "high"] as const)("of answers at level %s is done for clients that take it", async (compressionLevel) => {
    await using squeezing = await startGrpcDoor({ methods: new TestMethods().all(), compressionLevel });
    using taking = new GrpcClient(squeezing.port);
    const bytes = Buffer.alloc(100_000, "abc");
    expect(Buffer.compare(Buffer.from((await taking.bytes(ECHO, bytes)).message ?? []), bytes)).toBe(0);
    await using http2 = new Http2Client(squeezing.port);
    const small = await http2.call(ECHO, framed(bytes), { "grpc-accept-encoding": "identity,gzip" });
    expect(small.headers["grpc-encoding"]).toBe("gzip");
    expect(small.body.byteLength).toBeLessThan(2_000);
    const plain = await http2.call(ECHO, framed(bytes), { "grpc-accept-encoding": "identity" });
    expect([plain.headers["grpc-encoding"], plain.body.byteLength]).toEqual([undefined, 100_005]);
  });

  test("that is unknown is refused, and so is a compressed message without a name for how", async () => {
    await using http2 = new Http2Client(door.port);
    const unknown = await http2.call(ECHO, framed("a", 1), { "grpc-encoding": "snappy" });
    expect(unknown).toMatchObject({ code: "12", details: "grpc-encoding 'snappy' is not supported: use identity,deflate,gzip" });
    expect(unknown.headers["grpc-accept-encoding"]).toBe("identity,deflate,gzip");
    expect(await http2.call(ECHO, framed("a", 1))).toMatchObject({ code: "13" });
    expect(await http2.call(ECHO, framed("no gzip", 1), { "grpc-encoding": "gzip" })).toMatchObject({ code: "13" });
    expect(await http2.call(ECHO, framed(gzipSync("fine"), 1), { "grpc-encoding": "gzip" })).toMatchObject({
      code: "0",
      body: framed("fine"),
    });
  });
});

describe("statuses", () => {
  test.each(ERROR_CODES)("%s keeps its name and its text, whatever characters it has", async (expected) => {
    const text = `100 % of 'größe'\n海 🌊`;
    const { code, details } = await client.bytes(FAIL, Buffer.from(`${expected} ${text}`));
    expect([code, details]).toEqual([expected, text]);
  });

  test("what is no error of ours is INTERNAL, tells nothing to the client and everything to the server's owner", async () => {
    const before = door.reported.length;
    expect(await client.bytes(FAIL, Buffer.from("secret of the house"))).toMatchObject({ code: "INTERNAL", details: "internal error" });
    expect(door.reported.slice(before).map(({ cause }) => String(cause))).toEqual(["Error: secret of the house"]);
  });

  test("very long texts are cut, and the call still has its status", async () => {
    const { code, details } = await client.bytes(FAIL, Buffer.from(`NOT_FOUND ${"ü".repeat(50_000)}`));
    expect(code).toBe("NOT_FOUND");
    expect(details).toMatch(/^ü{500,}$/);
  });

  test("an unknown method is UNIMPLEMENTED; what is no gRPC is answered as HTTP", async () => {
    await using http2 = new Http2Client(door.port);
    expect(await http2.call("/test.Transport/Nope", framed(""))).toMatchObject({ status: 200, code: "12" });
    expect(await http2.call(ECHO, framed(""), { "content-type": "application/json" })).toMatchObject({ status: 415, code: undefined });
    expect(await http2.call(ECHO, framed(""), { ":method": "PUT" })).toMatchObject({ status: 405, code: undefined });
  });

  test("an error in the middle of a stream comes after what was sent before it", async () => {
    await using http2 = new Http2Client(door.port);
    const { code, details, body } = await http2.call(RELAY, Buffer.concat([framed("a"), framed("fail"), framed("b")]));
    expect([code, details, body]).toEqual(["15", "as asked", framed("a")]);
  });
});

describe("deadlines and cancellation", () => {
  test("a deadline ends the call with CANCELLED and stops its handler", async () => {
    await using http2 = new Http2Client(door.port);
    const { code, details } = await http2.call(HOLD, framed(""), { "grpc-timeout": "30m" });
    expect([code, details]).toEqual(["1", "the deadline of 30 ms has passed"]);
    await methods.until(() => methods.reasons.length > 0);
    expect(methods.reasons.pop()).toMatchObject({ code: "CANCELLED" });
    expect(methods.held.pop()?.deadlineMs).toBe(30);
  });

  test("a client's own deadline is DEADLINE_EXCEEDED to it", async () => {
    expect(await client.bytes(HOLD, Buffer.alloc(0), { timeoutMs: 30 })).toMatchObject({ code: "DEADLINE_EXCEEDED" });
    await methods.until(() => methods.reasons.length > 0);
    methods.reasons.length = 0;
  });

  test.each(["", "1", "123456789S", "1x", "-1S", "1.5S"])("the timeout %j is refused as malformed", async (timeout) => {
    await using http2 = new Http2Client(door.port);
    expect(await http2.call(ECHO, framed(""), { "grpc-timeout": timeout })).toMatchObject({ code: "3" });
  });

  test("a client that cancels stops the handler", async () => {
    const canceling = new AbortController();
    const held = methods.held.length;
    const outcome = client.bytes(HOLD, Buffer.alloc(0), { signal: canceling.signal });
    await methods.until(() => methods.held.length > held);
    canceling.abort();
    expect(await outcome).toMatchObject({ code: "CANCELLED" });
    await methods.until(() => methods.reasons.length > 0);
    expect(methods.reasons.pop()).toMatchObject({ code: "CANCELLED", message: "the client canceled the call" });
  });

  test("a connection that breaks stops all its handlers", async () => {
    const http2 = new Http2Client(door.port);
    const held = methods.held.length;
    for (let index = 0; index < 20; index++) http2.open(HOLD).end(framed(""));
    await methods.until(() => methods.held.length === held + 20);
    await http2[Symbol.asyncDispose]();
    await methods.until(() => methods.reasons.length === 20);
    methods.reasons.length = 0;
  });
});

describe("flow control", () => {
  test("what a handler does not take stays with the client", async () => {
    await using http2 = new Http2Client(door.port);
    const stream = http2.open(DRAIN);
    for (let index = 0; index < 16; index++) stream.write(framed(Buffer.alloc(MIB)));
    stream.end();
    const reply = replyOf(stream);
    await new Promise((resolve) => http2.session.ping(resolve)); // the server has said what it takes
    expect(methods.drained).toBe(0);
    expect(stream.writableLength).toBeGreaterThan(12 * MIB);
    methods.tap.resolve();
    expect((await reply).body).toEqual(framed(String(16 * MIB)));
  });
});

describe("the end of the server", () => {
  test("what runs is finished, what comes is refused in Triton's words, and then nothing is left", async () => {
    const ending = new TestMethods();
    await using closing = await startGrpcDoor({ methods: ending.all() });
    await using http2 = new Http2Client(closing.port);
    const relay = http2.open(RELAY);
    const reply = replyOf(relay);
    relay.write(framed("before"));
    await new Promise((resolve) => relay.once("data", resolve));
    const closed = closing.server.close(60_000);
    expect(await http2.call(ECHO, framed("new"))).toMatchObject({
      code: "14",
      details: "GRPC server is shutting down and has stopped accepting new requests.",
    });
    relay.end(framed("after"));
    expect(await reply).toMatchObject({ code: "0" });
    await closed;
  });

  test("what does not end in its grace is stopped, and told so", async () => {
    const ending = new TestMethods();
    await using closing = await startGrpcDoor({ methods: ending.all() });
    using held = new GrpcClient(closing.port);
    const outcome = held.bytes(HOLD, Buffer.alloc(0));
    await ending.until(() => ending.held.length === 1);
    await closing.server.close(0);
    expect(await outcome).toMatchObject({ code: "UNAVAILABLE", details: "the server is stopping: ask another one, or again later" });
    expect(ending.reasons).toMatchObject([{ code: "UNAVAILABLE" }]);
  });

  test("a port that is taken is named, with the remedy", async () => {
    const again = startGrpcServer({ host: "127.0.0.1", port: door.port, clock: systemClock, methods: [] });
    await expect(again).rejects.toBeInstanceOf(ServingError);
    await expect(again).rejects.toMatchObject({ code: "FAILED_PRECONDITION", reason: "port_taken" });
  });
});
