/** What clients do to a server that they should not: it serves the others all the while, and holds no more than its limits say. */
import { gzipSync } from "node:zlib";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { GrpcLimits } from "../../gateway/grpc/limits.ts";
import { turns } from "../support/fake-clock.ts";
import { GrpcClient } from "./grpc-client.ts";
import { startGrpcDoor } from "./grpc-door.ts";
import { callHeaders, FRAME, FrameClient, frame, message, u32 } from "./grpc-frames.ts";
import { framed, Http2Client, replyOf } from "./grpc-http2-client.ts";
import { ECHO, HOLD, POUR, RELAY, TestMethods } from "./grpc-test-methods.ts";

const SEED = 20_260_801;
const MIB = 1024 * 1024;
const ENHANCE_YOUR_CALM = 11;
const QUICK: Partial<GrpcLimits> = { sweepMs: 10 };

async function started(limits: Partial<GrpcLimits> = {}) {
  const methods = new TestMethods();
  const door = await startGrpcDoor({ methods: methods.all(), limits });
  const client = new GrpcClient(door.port);
  return {
    methods,
    door,
    client,
    async serves(): Promise<void> {
      expect(await client.bytes(ECHO, Buffer.from("still here"))).toMatchObject({ code: "OK" });
    },
    [Symbol.asyncDispose]: async () => {
      client[Symbol.dispose]();
      await door[Symbol.asyncDispose]();
    },
  };
}

describe("floods", () => {
  test("10,000 calls that are reset at once end their connection, stop their handlers, and leave the server serving", async () => {
    await using server = await started();
    using flood = await FrameClient.open(server.door.port);
    for (let burst = 0; burst < 100 && !flood.closed; burst++) {
      const parts: Buffer[] = [];
      for (let index = 0; index < 100; index++) {
        const stream = (burst * 100 + index) * 2 + 1;
        parts.push(callHeaders(stream, HOLD), message(stream, Buffer.alloc(0)), frame(FRAME.reset, 0, stream, u32(8)));
      }
      flood.send(...parts);
      await server.serves();
    }
    const goaway = await flood.until(({ type }) => type === FRAME.goaway);
    expect(goaway).toBeDefined();
    await server.serves();
    expect(server.methods.held.length).toBeLessThan(1_500);
    await server.methods.until(() => server.methods.reasons.length === server.methods.held.length);
  });

  test("giving up all of its calls at once costs a client nothing", async () => {
    await using server = await started();
    await using http2 = new Http2Client(server.door.port);
    const streams = Array.from({ length: 250 }, () => http2.open(HOLD));
    for (const stream of streams) stream.end(framed(""));
    await server.methods.until(() => server.methods.held.length === 250);
    for (const stream of streams) stream.close(8);
    await server.methods.until(() => server.methods.reasons.length === 250);
    expect(await http2.call(ECHO, framed("on"))).toMatchObject({ code: "0" });
  });

  test("more pings than agreed end the connection with too_many_pings", async () => {
    await using server = await started();
    using eager = await FrameClient.open(server.door.port);
    for (let index = 0; index < 5; index++) eager.send(frame(FRAME.ping, 0, 0, Buffer.alloc(8, index)));
    const goaway = await eager.until(({ type }) => type === FRAME.goaway);
    expect(goaway?.payload.readUInt32BE(4)).toBe(ENHANCE_YOUR_CALM);
    expect(goaway?.payload.subarray(8).toString()).toBe("too_many_pings");
    await server.serves();
  });

  test("pings between calls are welcome", async () => {
    await using server = await started();
    await using http2 = new Http2Client(server.door.port);
    for (let index = 0; index < 20; index++) {
      await new Promise((resolve) => http2.session.ping(resolve));
      expect(await http2.call(ECHO, framed("a"))).toMatchObject({ code: "0" });
    }
  });
});

describe("what is held open", () => {
  test("1,000 calls that never send their request leave the server serving, and end in time", async () => {
    await using server = await started({ ...QUICK, requestIdleMsMax: 300 });
    const clients = await Promise.all(Array.from({ length: 4 }, () => FrameClient.open(server.door.port)));
    for (const client of clients) {
      for (let index = 0; index < 250; index++)
        client.send(callHeaders(index * 2 + 1, ECHO), frame(FRAME.data, 0, index * 2 + 1, Buffer.from([0, 0, 1])));
    }
    await server.serves();
    for (const client of clients) {
      await client.until(() => client.frames.filter(({ type }) => type === FRAME.headers).length === 250);
      client[Symbol.dispose]();
    }
    await server.serves();
  });

  test("calls beyond the limit of a connection are refused, not queued", async () => {
    await using server = await started({ streamsMax: 10 });
    using greedy = await FrameClient.open(server.door.port);
    for (let index = 0; index < 12; index++) greedy.send(callHeaders(index * 2 + 1, HOLD), message(index * 2 + 1, Buffer.alloc(0)));
    await greedy.until(() => greedy.frames.filter(({ type }) => type === FRAME.reset).length === 2);
    expect(server.methods.held).toHaveLength(10);
  });

  test("a connection that says nothing is closed", async () => {
    await using server = await started({ ...QUICK, handshakeMsMax: 50 });
    using mute = await FrameClient.open(server.door.port, false);
    await mute.ended();
  });

  test("a connection that is old is sent away, and what still runs on it is ended after the grace", async () => {
    const methods = new TestMethods();
    const limits = { connectionAgeMsMax: 30, connectionAgeGraceMs: 30, sweepMs: 10 };
    await using aging = await startGrpcDoor({ methods: methods.all(), limits });
    await using http2 = new Http2Client(aging.port);
    const sentAway = new Promise((resolve) => http2.session.once("goaway", resolve));
    const held = http2.open(HOLD);
    const over = new Promise((resolve) => held.once("close", resolve));
    held.end(framed(""));
    expect(await sentAway).toBe(0);
    await methods.until(() => methods.reasons.length === 1);
    await over;
    await using next = new Http2Client(aging.port);
    expect(await next.call(ECHO, framed("again"))).toMatchObject({ code: "0" });
  });

  test("a client that answers no pings is taken for gone", async () => {
    await using server = await started({ ...QUICK, keepaliveMs: 50, keepaliveAnswerMsMax: 50 });
    using dead = await FrameClient.open(server.door.port);
    await dead.until(({ type }) => type === FRAME.ping);
    await dead.ended();
  });
});

describe("what is not read", () => {
  test("holds back its handler, and goes on when it is read", async () => {
    await using server = await started();
    await using http2 = new Http2Client(server.door.port);
    const stream = http2.open(POUR);
    stream.pause();
    stream.end(framed(`64 ${MIB}`));
    await server.methods.until(() => server.methods.poured > 0);
    await turns(200);
    expect(server.methods.poured).toBeLessThan(6);
    const reply = replyOf(stream);
    stream.resume();
    const { body, code } = await reply;
    expect([body.byteLength, code]).toEqual([64 * (MIB + 5), "0"]);
  });

  test("for too long is cut, and other calls of the connection go on", async () => {
    await using server = await started({ ...QUICK, unreadMsMax: 100 });
    await using http2 = new Http2Client(server.door.port);
    const stream = http2.open(POUR);
    stream.pause();
    stream.end(framed(`64 ${MIB}`));
    await new Promise((resolve) => stream.once("close", resolve));
    expect(stream.rstCode).toBe(8);
    expect(await http2.call(ECHO, framed("on"))).toMatchObject({ code: "0" });
  });
});

describe("what is too large", () => {
  test("200 small messages that inflate beyond the limit are refused within memory for a few", async () => {
    const messageBytesMax = 8 * MIB;
    await using server = await started({ messageBytesMax, messagesBytesMax: 8 * messageBytesMax });
    const bomb = framed(gzipSync(Buffer.alloc(64 * MIB)), 1);
    await using http2 = new Http2Client(server.door.port);
    const before = process.memoryUsage.rss();
    const replies = await Promise.all(Array.from({ length: 200 }, () => http2.call(ECHO, bomb, { "grpc-encoding": "gzip" })));
    expect(new Set(replies.map(({ code }) => code))).toEqual(new Set(["8"]));
    expect(process.memoryUsage.rss() - before).toBeLessThan(256 * MIB);
    await server.serves();
  });

  test("requests that are too large together are refused, one by one, and room comes back", async () => {
    await using server = await started({ messagesBytesMax: 4 * MIB });
    await using http2 = new Http2Client(server.door.port);
    const held = http2.open(HOLD);
    held.end(framed(Buffer.alloc(3 * MIB)));
    await server.methods.until(() => server.methods.held.length === 1);
    expect(await http2.call(ECHO, framed(Buffer.alloc(2 * MIB)))).toMatchObject({
      code: "8",
      details: "too many large requests at once: try again",
    });
    held.close(8);
    await server.methods.until(() => server.methods.reasons.length === 1);
    expect(await http2.call(ECHO, framed(Buffer.alloc(2 * MIB)))).toMatchObject({ code: "0" });
  });
});

describe("what makes no sense", () => {
  const anyFrame = fc.oneof(
    fc
      .tuple(fc.nat(12), fc.nat(255), fc.nat(9), fc.uint8Array({ maxLength: 40 }))
      .map(([type, flags, stream, payload]) => frame(type, flags, stream, payload)),
    fc.tuple(fc.nat(4), fc.uint8Array({ maxLength: 40 })).map(([index, payload]) => message(index * 2 + 1, payload)),
    fc.tuple(fc.nat(4), fc.constantFrom(ECHO, RELAY, "/x/y", "")).map(([index, path]) => callHeaders(index * 2 + 1, path)),
    fc.uint8Array({ maxLength: 60 }).map((bytes) => Buffer.from(bytes)),
  );

  test("any frames at all leave the server serving", async () => {
    await using server = await started();
    await fc.assert(
      fc.asyncProperty(fc.array(anyFrame, { minLength: 1, maxLength: 12 }), async (frames) => {
        using noise = await FrameClient.open(server.door.port);
        noise.send(...frames, frame(FRAME.ping, 0, 0, Buffer.alloc(8, 1)));
        await noise.until(({ type, flags }) => (type === FRAME.ping && (flags & 1) === 1) || type === FRAME.goaway);
        await server.serves();
      }),
      { seed: SEED, numRuns: 300 },
    );
  });

  test("any bytes in place of messages leave the server serving", async () => {
    await using server = await started();
    await using http2 = new Http2Client(server.door.port);
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(ECHO, RELAY), fc.uint8Array({ maxLength: 200 }), async (path, bytes) => {
        const { status, code } = await http2.call(path, bytes);
        expect([status, code !== undefined]).toEqual([200, true]);
      }),
      { seed: SEED, numRuns: 300 },
    );
    await server.serves();
  });
});
