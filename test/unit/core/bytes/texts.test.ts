import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ByteReader } from "../../../../core/bytes/byte-reader.ts";
import { ByteWriter } from "../../../../core/bytes/byte-writer.ts";
import { pooledCopy } from "../../../../core/bytes/pooled-bytes.ts";

describe("texts in binary messages", () => {
  test("come back as they were, short or long, in any characters, wherever the message had to grow", () => {
    const texts = fc.array(
      fc.oneof(fc.string({ unit: "binary" }), fc.string({ unit: "grapheme", maxLength: 90 }), fc.string({ maxLength: 200 })),
    );
    fc.assert(
      fc.property(texts, fc.integer({ min: 0, max: 64 }), (values, capacity) => {
        const writer = new ByteWriter(capacity);
        for (const value of values) writer.u8(7).text(value);
        const reader = new ByteReader(writer.finish(), "a message");
        const read = values.map(() => [reader.u8(), reader.text()]);
        reader.end();
        expect(read).toEqual(values.map((value) => [7, value.toWellFormed()]));
      }),
      { seed: 20261123, numRuns: 30 },
    );
  });

  test("that are no UTF-8, or end early, are refused", () => {
    const wrong = new ByteWriter().u32(2).bytes(Uint8Array.of(65, 0xff)).finish();
    expect(() => new ByteReader(wrong, "a message").text()).toThrow("a message has a text that is not UTF-8");
    const short = new ByteWriter().u32(9).bytes(Uint8Array.of(65)).finish();
    expect(() => new ByteReader(short, "a message").text()).toThrow("ends after 5 bytes");
  });
});

test("messages that are alive at once never share a byte", () => {
  const messages = Array.from({ length: 500 }, (_, index) => new ByteWriter(8).text(`message ${index}`).finish());
  const copies = messages.map(pooledCopy);
  for (const message of messages) message.fill(0);
  expect(copies.map((copy) => new ByteReader(copy, "a message").text())).toEqual(messages.map((_, index) => `message ${index}`));
});
