import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { NativeMemory } from "../../../../node-agent/ort/native-memory.ts";

const MEBIBYTE = 2 ** 20;

const KINDS = ["allocate", "allocateShowable"] as const;

test.each(KINDS)("memory begins as zeros and keeps what is written (%s)", (kind) => {
  using memory = NativeMemory[kind](MEBIBYTE);
  const numbers = new Float32Array(memory.buffer);
  expect(numbers.every((number) => number === 0)).toBe(true);
  numbers[1000] = 7;
  expect(new Float32Array(memory.buffer)[1000]).toBe(7);
});

test.each(KINDS)("a discarded range reads as zeros, what lies around it stays (%s)", (kind) => {
  using memory = NativeMemory[kind](MEBIBYTE);
  const bytes = new Uint8Array(memory.buffer).fill(1);
  memory.discard(100, MEBIBYTE - 200);
  expect(bytes[MEBIBYTE / 2]).toBe(0);
  expect([bytes[0], bytes[99], bytes[MEBIBYTE - 1], bytes[MEBIBYTE - 100]]).toEqual([1, 1, 1, 1]);
});

/** Resident MiB of this process's mappings that are at least so large: what other tests leave behind is not in it. */
function residentOfLarge(mebibytesMin: number): number {
  let resident = 0;
  for (const [, size, rss] of readFileSync("/proc/self/smaps", "utf8").matchAll(/^Size: +(\d+) kB\n.*?^Rss: +(\d+) kB/gms)) {
    if (Number(size) / 1024 >= mebibytesMin) resident += Number(rss) / 1024;
  }
  return resident;
}

test.runIf(process.platform === "linux").each(KINDS)(
  "a large buffer costs memory only where it was written, and gives it back (%s)",
  (kind) => {
    using memory = NativeMemory[kind](4096 * MEBIBYTE);
    const before = residentOfLarge(4096);
    new Uint8Array(memory.buffer, 64 * MEBIBYTE, 128 * MEBIBYTE).fill(1);
    const written = residentOfLarge(4096);
    expect(written - before).toBeGreaterThanOrEqual(128);
    expect(written - before).toBeLessThan(140);
    memory.discard(0, 4096 * MEBIBYTE);
    expect(written - residentOfLarge(4096)).toBeGreaterThanOrEqual(128);
  },
);

test.each(KINDS)("disposing twice is harmless and leaves its arrays empty, not dangling (%s)", (kind) => {
  const memory = NativeMemory[kind](MEBIBYTE);
  const bytes = new Uint8Array(memory.buffer);
  memory[Symbol.dispose]();
  memory[Symbol.dispose]();
  expect(bytes.length).toBe(0);
});

test.each(KINDS)("more than the system has is refused with a remedy (%s)", (kind) => {
  expect(() => NativeMemory[kind](2 ** 52)).toThrow(/fewer slots/);
});
