/** Chunks' memory that goes back at once. */
import { expect, test } from "vitest";
import { letGo } from "../../../../core/bytes/let-go.ts";

test("a large chunk that has memory of its own gives it back", () => {
  const chunk = new Uint8Array(65_536);
  letGo(chunk);
  expect([chunk.byteLength, chunk.buffer.detached]).toEqual([0, true]);
});

test("a chunk that shares its memory, or is small, stays as it is", () => {
  const [part, small, pooled] = [new Uint8Array(65_536).subarray(1), new Uint8Array(1_000), Buffer.from("pooled")];
  for (const chunk of [part, small, pooled]) letGo(chunk);
  expect([part.byteLength, small.byteLength, pooled.toString()]).toEqual([65_535, 1_000, "pooled"]);
});
