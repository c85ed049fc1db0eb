import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { LentMemory } from "../../../../core/bytes/lent-memory.ts";
import { type Frame, MessageReader } from "../../../../gateway/grpc/message-reader.ts";

const SEED = 20_260_801;

function framed(bytes: Uint8Array, flag: number): Buffer {
  const prefix = Buffer.alloc(5);
  prefix[0] = flag;
  prefix.writeUInt32BE(bytes.byteLength, 1);
  return Buffer.concat([prefix, bytes]);
}

const message = fc.record({ bytes: fc.uint8Array({ maxLength: 300 }), compressed: fc.boolean() });

describe("messages", () => {
  test("come out as they went in, however they are cut", () => {
    fc.assert(
      fc.property(fc.array(message, { maxLength: 8 }), fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1 }), (messages, cuts) => {
        const stream = Buffer.concat(messages.map(({ bytes, compressed }) => framed(bytes, Number(compressed))));
        const reader = new MessageReader(300, new LentMemory());
        const frames: Frame[] = [];
        for (let [start, cut] = [0, 0]; start < stream.byteLength; cut++) {
          const end = start + (cuts[cut % cuts.length] ?? 1);
          frames.push(...reader.push(stream.subarray(start, end)));
          start = end;
        }
        expect(frames.map(({ bytes, compressed }) => [Buffer.from(bytes).toString("hex"), compressed])).toEqual(
          messages.map(({ bytes, compressed }) => [Buffer.from(bytes).toString("hex"), compressed]),
        );
        expect(reader.partial).toBe(false);
      }),
      { seed: SEED, numRuns: 500 },
    );
  });

  test("keep nothing of the chunks that they came in, and are no Buffers", () => {
    const stream = Buffer.concat([framed(Uint8Array.of(1, 2, 3), 0), framed(new Uint8Array(100_000).fill(4), 0)]);
    const reader = new MessageReader(100_000, new LentMemory());
    const frames: Frame[] = [];
    for (const [start, end] of [
      [0, 10],
      [10, 60_000],
      [60_000, stream.byteLength],
    ]) {
      // the second one's prefix is cut
      const chunk = new Uint8Array(stream.subarray(start, end));
      frames.push(...reader.push(chunk));
      chunk.fill(9);
    }
    expect(frames.map(({ bytes }) => [bytes.constructor, bytes.byteLength, new Set(bytes)])).toEqual([
      [Uint8Array, 3, new Set([1, 2, 3])],
      [Uint8Array, 100_000, new Set([4])],
    ]);
  });

  test("of many bytes lie in memory that later ones get once it is released", () => {
    const memory = new LentMemory();
    const read = (fill: number) => {
      const stream = framed(new Uint8Array(100_000).fill(fill), 0);
      const reader = new MessageReader(100_000, memory);
      return [...reader.push(stream.subarray(0, 50_000)), ...reader.push(stream.subarray(50_000))][0];
    };
    const [first, second] = [read(1), read(2)];
    expect(second?.bytes.buffer).not.toBe(first?.bytes.buffer);
    first?.memory?.release();
    expect(read(3)?.bytes.buffer).toBe(first?.bytes.buffer);
    expect(new Set(second?.bytes)).toEqual(new Set([2]));
  });

  test("longer than what is allocated at once are gathered whole", () => {
    const bytes = Buffer.alloc(9 * 1024 * 1024 + 3, "0123456789");
    const stream = framed(bytes, 0);
    const reader = new MessageReader(bytes.byteLength, new LentMemory());
    const frames: Frame[] = [];
    for (let start = 0; start < stream.byteLength; start += 65_000) frames.push(...reader.push(stream.subarray(start, start + 65_000)));
    expect(Buffer.compare(Buffer.from(frames[0]?.bytes ?? []), bytes)).toBe(0);
  });

  test("are refused by the length that they announce, before it comes", () => {
    const reader = new MessageReader(299, new LentMemory());
    expect(() => reader.push(framed(new Uint8Array(300), 0).subarray(0, 5))).toThrow(
      expect.objectContaining({ code: "RESOURCE_EXHAUSTED", reason: "message_too_large" }),
    );
  });

  test("with another flag than 0 and 1 are refused", () => {
    expect(() => new MessageReader(9, new LentMemory()).push(framed(new Uint8Array(), 7))).toThrow(
      expect.objectContaining({ code: "INTERNAL" }),
    );
  });
});
