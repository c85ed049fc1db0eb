import fc from "fast-check";
import { expect, test } from "vitest";
import { FrameWriter } from "../../../../gateway/http2/frame-writer.ts";
import { Sending } from "../../../../gateway/http2/sending.ts";

const SEED = 20_260_801;
const nobody = { drained: () => undefined, sent: () => undefined };

test("what is written leaves byte for byte, in whatever pieces it came and goes", () => {
  fc.assert(
    fc.property(
      fc.array(fc.nat(20_000), { maxLength: 6 }),
      fc.array(fc.integer({ min: 1, max: 16_384 }), { minLength: 1 }),
      (sizes, steps) => {
        const sending = new Sending(1, nobody, 2 ** 20);
        const pieces = sizes.map((size, index) => Buffer.alloc(size, index + 1));
        sending.add(pieces);
        const writer = new FrameWriter();
        for (let turn = 0; sending.byteLength > 0; turn++)
          sending.writeTo(writer, Math.min(steps[turn % steps.length] ?? 1, sending.byteLength));
        expect(Buffer.concat(writer.take()).equals(Buffer.concat(pieces))).toBe(true);
        expect(sending.window).toBe(2 ** 20 - sizes.reduce((sum, size) => sum + size, 0));
      },
    ),
    { seed: SEED, numRuns: 200 },
  );
});

test("large pieces are not copied", () => {
  const writer = new FrameWriter();
  const large = Buffer.alloc(100_000);
  const sending = new Sending(1, nobody, 2 ** 20);
  sending.add([large]);
  sending.writeTo(writer, 16_384);
  expect(writer.take().map(({ buffer }) => buffer)).toEqual([large.buffer]);
});

test("a window may be taken back below zero, and is never larger than windows can be", () => {
  const sending = new Sending(1, nobody, 10);
  expect(sending.widen(-65_535)).toBe(true);
  expect(sending.window).toBe(10 - 65_535);
  expect(sending.widen(2 ** 31 - 1)).toBe(true);
  expect(sending.widen(65_525)).toBe(true);
  expect(sending.widen(1)).toBe(false);
});

test("a client stalls while something waits that it does not take", () => {
  const sending = new Sending(1, nobody, 100);
  expect(sending.stalledMs(1_000)).toBe(0);
  sending.add([Buffer.alloc(10)]);
  expect([sending.stalledMs(2_000), sending.stalledMs(5_000)]).toEqual([0, 3_000]);
  sending.writeTo(new FrameWriter(), 5);
  expect([sending.stalledMs(6_000), sending.stalledMs(7_000)]).toEqual([0, 1_000]);
});
