/** What the gRPC server's HTTP/2 does with clients that are right in an unusual way, and with those that are not. */
import { once } from "node:events";
import { connect } from "node:net";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { INFERS } from "../../gateway/access/access.ts";
import type { GrpcMethod } from "../../gateway/grpc/method.ts";
import { GrpcClient } from "./grpc-client.ts";
import { type GrpcDoor, startGrpcDoor } from "./grpc-door.ts";
import { callHeaders, FRAME, FrameClient, frame, message, u32 } from "./grpc-frames.ts";
import { framed, Http2Client } from "./grpc-http2-client.ts";
import { DRAIN, ECHO, HOLD, TestMethods } from "./grpc-test-methods.ts";

const SEED = 20_260_801;
const MIB = 1024 * 1024;
const PROTOCOL_ERROR = 1;
const REFUSED_STREAM = 7;
const ENHANCE_YOUR_CALM = 11;
const ACK = 1;
const END_STREAM = 1;
const HEADERS_METHOD = "/test.Transport/Headers";

/** Answers with the metadata it got. */
const HEADERS: GrpcMethod = {
  service: "test.Transport",
  method: "Headers",
  ...INFERS,
  kind: "unary",
  handle: (_, call) => [Buffer.from(JSON.stringify(call.headers()))],
};

let methods: TestMethods;
let door: GrpcDoor;
let client: GrpcClient;

beforeAll(async () => {
  methods = new TestMethods();
  door = await startGrpcDoor({ methods: [...methods.all(), HEADERS] });
  client = new GrpcClient(door.port);
});

afterAll(async () => {
  client[Symbol.dispose]();
  await door[Symbol.asyncDispose]();
});

const serves = async (): Promise<void> => expect(await client.bytes(ECHO, Buffer.from("still here"))).toMatchObject({ code: "OK" });
const initialWindow = (bytes: number): Buffer => Buffer.concat([Buffer.from([0, 4]), u32(bytes)]);
const widen = (stream: number, bytes: number): Buffer => frame(FRAME.windowUpdate, 0, stream, u32(bytes));
const goAwayCode = async (from: FrameClient): Promise<number | undefined> =>
  (await from.until(({ type }) => type === FRAME.goaway))?.payload.readUInt32BE(4);
const isEnd =
  (id: number) =>
  ({ stream, flags, type }: { readonly stream: number; readonly flags: number; readonly type: number }): boolean =>
    stream === id && type === FRAME.headers && (flags & END_STREAM) !== 0;
const dataOf = ({ frames }: FrameClient, id: number): Buffer =>
  Buffer.concat(frames.filter(({ type, stream }) => type === FRAME.data && stream === id).map(({ payload }) => payload));

describe("floods end their connection, and no other", () => {
  const many = (count: number, make: (index: number) => Buffer): Buffer =>
    Buffer.concat(Array.from({ length: count }, (_, index) => make(index)));
  const held = callHeaders(1, HOLD);
  test.each([
    ["CONTINUATION without end", [frame(FRAME.headers, 0, 1), many(100, () => frame(FRAME.continuation, 0, 1))]],
    ["CONTINUATION of 1 MiB", [frame(FRAME.headers, 0, 1), many(64, () => frame(FRAME.continuation, 0, 1, Buffer.alloc(16_384)))]],
    ["empty DATA", [held, many(12_000, () => frame(FRAME.data, 0, 1))]],
    ["SETTINGS", [many(12_000, () => frame(FRAME.settings, 0, 0))]],
    ["PRIORITY", [many(12_000, () => frame(2, 0, 3, Buffer.alloc(5)))]],
    ["WINDOW_UPDATE", [many(12_000, () => widen(0, 1))]],
    ["answers to pings that nobody sent", [many(12_000, () => frame(FRAME.ping, ACK, 0, Buffer.alloc(8)))]],
    ["frames of unknown types", [many(12_000, () => frame(99, 0, 0))]],
    [
      "calls that the server has to reset",
      [many(600, (index) => Buffer.concat([callHeaders(2 * index + 1, HOLD), widen(2 * index + 1, 0)]))],
    ],
    ["calls without a path", [many(600, (index) => callHeaders(2 * index + 1, ""))]],
  ])("%s", async (_, parts) => {
    using flood = await FrameClient.open(door.port);
    flood.send(...parts);
    expect(await goAwayCode(flood)).toBe(ENHANCE_YOUR_CALM);
    await flood.ended();
    await serves();
    await methods.until(() => methods.reasons.length === methods.held.length);
  });
});

describe("headers", () => {
  test("of any kind come as Node's client compresses them, over and over on one connection", async () => {
    await using http2 = new Http2Client(door.port);
    const name = fc.stringMatching(/^x-[a-z0-9-]{1,12}$/);
    const value = fc.stringMatching(/^[!-~\u0080-\u00ff]([ -~\u0080-\u00ff]{0,60}[!-~\u0080-\u00ff])?$/);
    await fc.assert(
      fc.asyncProperty(fc.dictionary(name, value, { maxKeys: 12, noNullPrototype: true }), async (given) => {
        const { body } = await http2.call(HEADERS_METHOD, framed(""), given);
        const got = new Map<string, string>(JSON.parse(body.subarray(5).toString()));
        expect(Object.fromEntries(Object.keys(given).map((its) => [its, got.get(its)]))).toEqual(given);
      }),
      { seed: SEED, numRuns: 300 },
    );
  });

  test("larger than the limit are refused by a status, and the connection goes on", async () => {
    await using http2 = new Http2Client(door.port);
    const many = Object.fromEntries(Array.from({ length: 400 }, (_, index) => [`x-${index}`, "some value"]));
    expect(await http2.call(ECHO, framed("a"), many)).toMatchObject({
      code: "8",
      details: "the metadata is larger than the 16384 bytes that this server takes",
    });
    expect(await http2.call(ECHO, framed("on"))).toMatchObject({ code: "0" });
  });

  test("behind a request are read and passed over", async () => {
    using frames = await FrameClient.open(door.port);
    const trailers = frame(FRAME.headers, 5, 1, Buffer.from([0, 3, 0x78, 0x2d, 0x61, 1, 0x31]));
    frames.send(callHeaders(1, ECHO), message(1, Buffer.from("a"), { end: false }), trailers);
    await frames.until(isEnd(1));
    expect(dataOf(frames, 1)).toEqual(framed("a"));
  });
});

describe("windows", () => {
  test("hold an answer back, also where a client takes back more than it had allowed", async () => {
    using narrow = await FrameClient.open(door.port, initialWindow(6));
    const bytes = Buffer.from("0123456789");
    const came = async (count: number): Promise<void> => {
      await narrow.until(() => dataOf(narrow, 1).byteLength >= count);
      expect(dataOf(narrow, 1)).toEqual(framed(bytes).subarray(0, count));
    };
    narrow.send(callHeaders(1, ECHO), message(1, bytes));
    await came(6);
    narrow.send(frame(FRAME.settings, 0, 0, initialWindow(0)), widen(1, 5), frame(FRAME.ping, 0, 0, Buffer.alloc(8)));
    await narrow.until(({ type }) => type === FRAME.ping);
    await came(6);
    narrow.send(widen(1, 3));
    await came(8);
    narrow.send(widen(1, 100));
    await narrow.until(isEnd(1));
    await came(15);
  });

  test("that are short are shared: streams take turns", async () => {
    using sharing = await FrameClient.open(door.port, initialWindow(MIB));
    sharing.send(callHeaders(1, ECHO), message(1, Buffer.alloc(65_530))); // all of the connection's window
    await sharing.until(isEnd(1));
    for (const id of [3, 5, 7]) sharing.send(callHeaders(id, ECHO), message(id, Buffer.alloc(40_000, id)));
    await sharing.until(() => sharing.frames.filter(({ type, stream }) => type === FRAME.headers && stream > 1).length === 3);
    sharing.send(widen(0, MIB));
    await sharing.until(isEnd(7));
    const turns = sharing.frames.filter(({ type, stream }) => type === FRAME.data && stream > 1).map(({ stream }) => stream);
    expect(turns).toEqual([3, 5, 7, 3, 5, 7, 3, 5, 7]);
  });

  test("of the connection open again for what calls leave unread", async () => {
    using leaving = await FrameClient.open(door.port);
    for (let id = 1; id < 80; id += 2) {
      leaving.send(callHeaders(id, DRAIN), message(id, Buffer.alloc(MIB - 5), { end: false }), frame(FRAME.reset, 0, id, u32(8)));
    }
    leaving.send(callHeaders(81, ECHO), message(81, Buffer.from("a")));
    await leaving.until(({ stream, type }) => stream === 81 || type === FRAME.goaway);
    await leaving.until(isEnd(81));
    methods.tap.resolve();
    expect(dataOf(leaving, 81)).toEqual(framed("a"));
  });
});

describe("what comes late", () => {
  test("for a call that was refused before its end is passed over", async () => {
    using late = await FrameClient.open(door.port);
    late.send(callHeaders(1, "/no/method"));
    await late.until(({ type }) => type === FRAME.reset);
    late.send(message(1, Buffer.alloc(100_000)), callHeaders(3, ECHO), message(3, Buffer.from("a")));
    await late.until(isEnd(3));
    expect(dataOf(late, 3)).toEqual(framed("a"));
    expect(late.frames.filter(({ type }) => type === FRAME.reset)).toHaveLength(1);
  });

  test("for a stream that was never opened ends the connection", async () => {
    using early = await FrameClient.open(door.port);
    early.send(message(5, Buffer.alloc(1)));
    expect(await goAwayCode(early)).toBe(PROTOCOL_ERROR);
  });
});

test("who is sent away is served until it knows, and is then told which call was the last", async () => {
  const own = new TestMethods();
  await using leaving = await startGrpcDoor({ methods: own.all() });
  using frames = await FrameClient.open(leaving.port);
  frames.send(callHeaders(1, ECHO), message(1, Buffer.alloc(0)));
  await frames.until(isEnd(1));
  leaving.server.announceStop();
  const ping = await frames.until(({ type }) => type === FRAME.ping);
  frames.send(callHeaders(3, HOLD), message(3, Buffer.alloc(0)));
  await own.until(() => own.held.length === 1);
  frames.send(frame(FRAME.ping, ACK, 0, ping?.payload), callHeaders(5, HOLD), message(5, Buffer.alloc(0)));
  const refused = await frames.until(({ type, stream }) => type === FRAME.reset && stream === 5);
  expect(refused?.payload.readUInt32BE(0)).toBe(REFUSED_STREAM);
  const lasts = frames.frames.filter(({ type }) => type === FRAME.goaway).map(({ payload }) => payload.readUInt32BE(0));
  expect(lasts).toEqual([2 ** 31 - 1, 3]);
  frames.send(frame(FRAME.reset, 0, 3, u32(8)));
  await frames.ended();
  expect(own.reasons).toHaveLength(1);
});

test("who speaks HTTP/1 is told so", async () => {
  const socket = connect(door.port, "127.0.0.1");
  socket.write("GET /v2 HTTP/1.1\r\nHost: localhost\r\n\r\n");
  const chunks: Buffer[] = [];
  socket.on("data", (chunk: Buffer) => chunks.push(chunk));
  await once(socket, "close");
  expect(Buffer.concat(chunks).toString()).toMatch(/^HTTP\/1\.1 505 [\s\S]*use a gRPC client, or the HTTP port\.\n$/);
});

test("who sends calls and reads none of their answers is not read on, and cut in the end", async () => {
  await using strict = await startGrpcDoor({ methods: new TestMethods().all(), limits: { unreadMsMax: 100, sweepMs: 10 } });
  const before = process.memoryUsage.rss();
  const socket = connect(strict.port, "127.0.0.1");
  socket.on("error", () => undefined);
  socket.pause();
  socket.write(Buffer.concat([Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), frame(FRAME.settings, 0, 0)]));
  let id = 1;
  const pour = () => {
    while (!socket.destroyed) {
      const calls: Buffer[] = [];
      for (let count = 0; count < 500; count++, id += 2) calls.push(callHeaders(id, "/no/method", { end: true }));
      if (!socket.write(Buffer.concat(calls))) return;
    }
  };
  socket.on("drain", pour);
  pour();
  await new Promise((resolve) => socket.once("close", resolve));
  expect(id).toBeGreaterThan(10_000);
  expect(process.memoryUsage.rss() - before).toBeLessThan(128 * MIB);
});
