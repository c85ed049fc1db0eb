/** Memory that is used again: whoever has it has it alone. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { LENT_BYTES_MAX, LENT_BYTES_MIN, type Lease, LentMemory, sharedBy, together } from "../../../../core/bytes/lent-memory.ts";

const MIXED = fc.array(
  fc.record({
    lends: fc.boolean(),
    byteLength: fc.integer({ min: LENT_BYTES_MIN, max: 200_000 }),
    which: fc.nat(),
    forgets: fc.boolean(),
  }),
  { maxLength: 60 },
);

describe("lent memory", () => {
  test("is never changed by whoever else is lent some, in whatever order it is lent, released and forgotten", () => {
    fc.assert(
      fc.property(MIXED, (steps) => {
        const memory = new LentMemory();
        const held: { readonly lease: Lease; readonly fill: number }[] = [];
        for (const [at, { lends, byteLength, which, forgets }] of steps.entries()) {
          if (lends || held.length === 0) {
            const lease = memory.lend(byteLength);
            expect(lease.bytes.byteLength).toBe(byteLength);
            lease.bytes.fill(at % 251);
            held.push({ lease, fill: at % 251 });
          } else {
            const [given] = held.splice(which % held.length, 1);
            expect(given?.lease.bytes.every((byte) => byte === given.fill)).toBe(true);
            if (!forgets) given?.lease.release();
          }
        }
        for (const { lease, fill } of held) expect(lease.bytes.every((byte) => byte === fill)).toBe(true);
      }),
      { seed: 41, numRuns: 60 },
    );
  });

  test("is released once: a second time is a bug", () => {
    const lease = new LentMemory().lend(LENT_BYTES_MIN);
    lease.release();
    expect(() => lease.release()).toThrow("once");
  });

  test("that went to another thread is not lent again", () => {
    const memory = new LentMemory();
    const lease = memory.lend(LENT_BYTES_MIN);
    structuredClone(lease.bytes, { transfer: [lease.bytes.buffer] });
    lease.release();
    expect([memory.freeBytes, memory.lend(LENT_BYTES_MIN).bytes.byteLength]).toEqual([0, LENT_BYTES_MIN]);
  });

  test("is kept in a bounded amount", () => {
    const memory = new LentMemory();
    for (const lease of Array.from({ length: 8 }, () => memory.lend(LENT_BYTES_MAX))) lease.release();
    expect(memory.freeBytes).toBe(4 * LENT_BYTES_MAX);
  });

  test("is overwritten at its release where that is wanted", () => {
    const lease = new LentMemory({ filler: 0xee }).lend(LENT_BYTES_MIN);
    const kept = lease.bytes.fill(1);
    lease.release();
    expect(kept.every((byte) => byte === 0xee)).toBe(true);
  });

  test("of several owners is free when the last of them has released it", () => {
    const memory = new LentMemory();
    const shares = sharedBy(memory.lend(LENT_BYTES_MIN), 3);
    shares.release();
    shares.release();
    expect(memory.freeBytes).toBe(0);
    shares.release();
    expect(memory.freeBytes).toBe(LENT_BYTES_MIN);
  });

  test("in several pieces is released together", () => {
    const memory = new LentMemory();
    together([memory.lend(LENT_BYTES_MIN), memory.lend(LENT_BYTES_MIN)])?.release();
    expect([memory.freeBytes, together([])]).toEqual([2 * LENT_BYTES_MIN, undefined]);
  });
});
