/** The response cache keeps what fits, and its keys tell requests apart. */
import { Buffer } from "node:buffer";
import { describe, expect, test } from "vitest";
import { inferKey } from "../../../../core/messages/infer-key.ts";
import type { ParameterValue } from "../../../../core/messages/parameter-value.ts";
import type { Tensor } from "../../../../core/tensor/tensor.ts";
import { ResponseCache } from "../../../../node-agent/scheduling/response-cache.ts";

const bytes = (count: number, fill = 1): Tensor => ({ name: "y", dtype: "UINT8", shape: [count], data: new Uint8Array(count).fill(fill) });

describe("the response cache", () => {
  test("gives back what was kept, and counts", () => {
    const cache = new ResponseCache(10_000);
    expect(cache.find("a", 0)).toBeUndefined();
    expect(cache.insert("m", "a", [bytes(4, 7)], 0)).toBe(true);
    expect(cache.find("a", 0)).toEqual([bytes(4, 7)]);
    expect(cache.counters).toMatchObject({ lookups: 2, hits: 1, misses: 1, insertions: 1, evictions: 0, entries: 1 });
  });

  test("lets the longest unused go when bytes run out", () => {
    const cache = new ResponseCache(6_000);
    for (const key of ["a", "b", "c"]) cache.insert("m", key, [bytes(1_000)], 0);
    cache.find("a", 0);
    cache.insert("m", "d", [bytes(1_000)], 0);
    expect(["a", "b", "c", "d"].filter((key) => cache.find(key, 0) !== undefined)).toEqual(["a", "c", "d"]);
    expect(cache.counters).toMatchObject({ evictions: 1, entries: 3 });
    expect(cache.counters.bytes).toBeLessThanOrEqual(6_000);
  });

  test("does not take what is larger than all of it, nor lose anything for that", () => {
    const cache = new ResponseCache(2_000);
    cache.insert("m", "a", [bytes(10)], 0);
    expect(cache.insert("m", "b", [bytes(3_000)], 0)).toBe(false);
    expect(cache.find("a", 0)).toBeDefined();
  });

  test("gives an answer until it is too old, however often it is asked for", () => {
    const cache = new ResponseCache(10_000, 1_000);
    cache.insert("m", "a", [bytes(10)], 5_000);
    expect(cache.find("a", 5_999)).toEqual([bytes(10)]);
    expect(cache.find("a", 6_000)).toBeUndefined();
    expect(cache.counters).toMatchObject({ hits: 1, misses: 1, entries: 0, bytes: 0 });
  });

  test("forgets a version that was dropped, and no other", () => {
    const cache = new ResponseCache(10_000);
    cache.insert("m 1", "a", [bytes(10)], 0);
    cache.insert("m 2", "b", [bytes(10)], 0);
    cache.drop("m 1");
    expect(cache.find("a", 0)).toBeUndefined();
    expect(cache.find("b", 0)).toBeDefined();
    cache.drop("m 2");
    expect(cache.counters).toMatchObject({ entries: 0, bytes: 0 });
  });

  test("keeps copies, whatever happens to the batch they came with, also of Node's buffers", () => {
    const batch = Buffer.alloc(100, 5);
    const cache = new ResponseCache(10_000);
    cache.insert("m", "a", [{ ...bytes(4), data: batch.subarray(0, 4) }], 0);
    batch.fill(9);
    const [kept] = cache.find("a", 0) ?? [];
    expect([...(kept?.data ?? [])]).toEqual([5, 5, 5, 5]);
    expect(kept?.data.buffer.byteLength).toBe(4);
  });
});

describe("a cache key", () => {
  const x: Tensor = { name: "x", dtype: "FP32", shape: [1, 2], data: new Uint8Array(8) };
  const request = { inputs: [x], outputs: ["y"], parameters: new Map<string, ParameterValue>([["a", 1]]) };
  const key = inferKey("m 1", request);

  test("is the same for the same request, whatever the order of its parameters", () => {
    const both = (pairs: [string, ParameterValue][]) => inferKey("m 1", { ...request, parameters: new Map(pairs) });
    expect(
      both([
        ["a", 1],
        ["b", 2],
      ]),
    ).toBe(
      both([
        ["b", 2],
        ["a", 1],
      ]),
    );
    expect(inferKey("m 1", { ...request })).toBe(key);
  });

  const others = {
    "another version": inferKey("m 2", request),
    "other bytes": inferKey("m 1", { ...request, inputs: [{ ...x, data: new Uint8Array(8).fill(1) }] }),
    "another shape with the same bytes": inferKey("m 1", { ...request, inputs: [{ ...x, shape: [2, 1] }] }),
    "another datatype with the same bytes": inferKey("m 1", { ...request, inputs: [{ ...x, dtype: "INT32" }] }),
    "another input's name": inferKey("m 1", { ...request, inputs: [{ ...x, name: "z" }] }),
    "one input more": inferKey("m 1", { ...request, inputs: [x, x] }),
    "other outputs": inferKey("m 1", { ...request, outputs: [] }),
    "another parameter": inferKey("m 1", { ...request, parameters: new Map([["a", 2]]) }),
    "a parameter of another type": inferKey("m 1", { ...request, parameters: new Map([["a", "1"]]) }),
    "an integer of all digits": inferKey("m 1", { ...request, parameters: new Map([["a", 1n]]) }),
  };

  test.each(Object.entries(others))("differs for %s", (_, other) => {
    expect(other).not.toBe(key);
    expect(Object.values(others).filter((one) => one === other).length).toBe(1);
  });
});
