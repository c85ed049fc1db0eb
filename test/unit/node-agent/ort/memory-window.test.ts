import { readdirSync } from "node:fs";
import { expect, test } from "vitest";
import { MemoryWindow } from "../../../../node-agent/ort/memory-window.ts";
import { NativeMemory, PAGE_BYTES } from "../../../../node-agent/ort/native-memory.ts";

const linux = test.runIf(process.platform === "linux");

function opened(memory: NativeMemory, pages: number): MemoryWindow {
  const window = MemoryWindow.open(memory, pages * PAGE_BYTES);
  if (window === undefined) throw new Error("this system has windows");
  return window;
}

linux("a page that is shown at several places is one page", () => {
  using memory = NativeMemory.allocateShowable(4 * PAGE_BYTES);
  using window = opened(memory, 3);
  for (const place of [0, 1, 2]) expect(window.show(place * PAGE_BYTES, { byteOffset: 2 * PAGE_BYTES, byteLength: PAGE_BYTES })).toBe(true);
  const seen = [0, 1, 2].map((place) => new Uint8Array(window.buffer, place * PAGE_BYTES, PAGE_BYTES));
  const own = new Uint8Array(memory.buffer, 2 * PAGE_BYTES, PAGE_BYTES);
  own[5] = 7;
  expect(seen.map((bytes) => bytes[5])).toEqual([7, 7, 7]);
  seen[1]?.fill(9);
  expect([own[5], seen[0]?.[0], seen[2]?.[PAGE_BYTES - 1]]).toEqual([9, 9, 9]);
  memory.discard(2 * PAGE_BYTES, PAGE_BYTES);
  expect([own[5], seen[2]?.[5]]).toEqual([0, 0]);
});

linux("a place shows something else when it is told to, and what was there stays in the memory", () => {
  using memory = NativeMemory.allocateShowable(2 * PAGE_BYTES);
  using window = opened(memory, 1);
  const bytes = new Uint8Array(memory.buffer);
  bytes.fill(1, 0, PAGE_BYTES).fill(2, PAGE_BYTES);
  window.show(0, { byteOffset: 0, byteLength: PAGE_BYTES });
  expect(new Uint8Array(window.buffer)[0]).toBe(1);
  window.clear();
  window.show(0, { byteOffset: PAGE_BYTES, byteLength: PAGE_BYTES });
  expect([new Uint8Array(window.buffer)[0], bytes[0]]).toEqual([2, 1]);
});

linux("what is disposed of leaves no open file, and empty arrays", () => {
  const files = () => readdirSync("/proc/self/fd").length;
  const before = files();
  const memory = NativeMemory.allocateShowable(PAGE_BYTES);
  const window = opened(memory, 1);
  const bytes = new Uint8Array(window.buffer);
  window[Symbol.dispose]();
  memory[Symbol.dispose]();
  expect([files(), bytes.length, memory.buffer.byteLength]).toEqual([before, 0, 0]);
});

test("memory that was not made for it has no windows", () => {
  using memory = NativeMemory.allocate(PAGE_BYTES);
  expect(MemoryWindow.open(memory, PAGE_BYTES)).toBeUndefined();
});
