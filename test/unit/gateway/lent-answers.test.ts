/** Answers in memory that is used again, to clients that do not read at once: it is released when they have left, and never before. */
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { buffer } from "node:stream/consumers";
import { expect, test } from "vitest";
import { LENT_BYTES_MAX, LentMemory, type Memory } from "../../../core/bytes/lent-memory.ts";
import { AnswerWriter } from "../../../gateway/http1/answer-writer.ts";
import { headerBlock } from "../../../gateway/http2/hpack/encoder.ts";
import { Outbox } from "../../../gateway/http2/outbox.ts";
import { Sending } from "../../../gateway/http2/sending.ts";
import { WINDOW } from "../../../gateway/http2/wire-format.ts";

const WINDOW_BYTES = 2 ** 30;
const DATA = 0;
const FRAME_HEAD_BYTES = 9;
const context = { date: "today", keepAliveSeconds: undefined, extra: undefined };

/** The two ends of a connection: what the system buffers of it is less than the answers here. */
async function connected() {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  const client = connect(address.port, "127.0.0.1");
  const [socket]: Socket[] = await once(server, "connection");
  server.close();
  if (socket === undefined) throw new Error("no connection");
  for (const end of [socket, client]) end.on("error", () => undefined);
  const dispose = () => {
    socket.destroy();
    client.destroy();
  };
  return { socket, client, [Symbol.dispose]: dispose };
}

/** Whoever reads it after its release reads something else. */
function answer() {
  const pool = new LentMemory({ filler: 0xee });
  const lease = pool.lend(LENT_BYTES_MAX);
  lease.bytes.fill(7);
  const { promise: released, resolve } = Promise.withResolvers<void>();
  const memory: Memory = {
    release() {
      lease.release();
      resolve();
    },
  };
  return { pool, bytes: lease.bytes, memory, released, wanted: Buffer.alloc(LENT_BYTES_MAX, 7) };
}

function sendingOf(socket: Socket) {
  const outbox = new Outbox(socket, { nowMs: () => 0, answering: () => undefined });
  socket.on("drain", () => outbox.drained());
  return { outbox, sending: new Sending(1, { drained: () => undefined, sent: () => undefined }, WINDOW_BYTES) };
}

/** What the frames of data carry. */
function dataOf(bytes: Buffer): Buffer {
  const data: Buffer[] = [];
  for (let at = 0; at < bytes.byteLength; ) {
    const end = at + FRAME_HEAD_BYTES + bytes.readUIntBE(at, 3);
    if (bytes[at + 3] === DATA) data.push(bytes.subarray(at + FRAME_HEAD_BYTES, end));
    at = end;
  }
  return Buffer.concat(data);
}

test("over HTTP/1.1 it is released when the client has taken it", async () => {
  using ends = await connected();
  const { pool, bytes, memory, released, wanted } = answer();
  const writer = new AnswerWriter(ends.socket, () => 0);
  writer.whole({ kind: "whole", status: 200, headers: {}, body: [bytes], memory }, { bodiless: false, context });
  await once(ends.client, "readable");
  expect(pool.freeBytes).toBe(0);
  ends.socket.end();
  const got = await buffer(ends.client);
  expect(got.subarray(got.indexOf("\r\n\r\n") + 4).equals(wanted)).toBe(true);
  await released;
});

test("over HTTP/2 it is kept while the client's window holds it back, and released when the client has taken it", async () => {
  using ends = await connected();
  const { pool, bytes, memory, released, wanted } = answer();
  const { outbox, sending } = sendingOf(ends.socket);
  sending.memory = memory;
  outbox.data(sending, [bytes], headerBlock({}));
  await once(ends.client, "readable");
  expect([pool.freeBytes, sending.byteLength > 0]).toEqual([0, true]);
  outbox.widen(WINDOW_BYTES);
  const got = buffer(ends.client);
  await released;
  outbox.end();
  expect(dataOf(await got).equals(wanted)).toBe(true);
});

test("over HTTP/2 it is released too where the last that leaves of it is small", async () => {
  using ends = await connected();
  const { bytes, memory, released, wanted } = answer();
  const { outbox, sending } = sendingOf(ends.socket);
  const length = WINDOW + 1_000;
  sending.memory = memory;
  outbox.data(sending, [bytes.subarray(0, length)], headerBlock({}));
  await once(ends.client, "readable");
  outbox.widen(WINDOW_BYTES);
  const got = buffer(ends.client);
  await released;
  outbox.end();
  expect(dataOf(await got).equals(wanted.subarray(0, length))).toBe(true);
});

test("over HTTP/2 it is never released where the client has reset the stream: pieces of it may be on their way", async () => {
  using ends = await connected();
  const { pool, bytes, memory } = answer();
  const { outbox, sending } = sendingOf(ends.socket);
  sending.memory = memory;
  outbox.data(sending, [bytes], headerBlock({}));
  outbox.flush();
  outbox.forget(sending);
  outbox.end();
  const got = dataOf(await buffer(ends.client));
  expect([got.every((byte) => byte === 7), got.byteLength > 0, pool.freeBytes]).toEqual([true, true, 0]);
});
