import { describe, expect, test } from "vitest";
import { ServingError } from "../../../../core/errors.ts";
import type { ShardDescription } from "../../../../core/model/shard-description.ts";
import { assertFits, memoryNeedBytes } from "../../../../node-agent/models/memory-need.ts";
import { MemoryCutter } from "./memory-cutter.ts";

const MiB = 2 ** 20;

async function shard(changes: Partial<ShardDescription> = {}): Promise<ShardDescription> {
  const request = { model: "tiny", version: "1", stage: 0, stages: 2, quantization: "auto" };
  const { description } = await new MemoryCutter({ weightBytes: 100 * MiB }).cut(request, () => {});
  return { ...description, firstLayer: 0, endLayer: 8, kvHeads: 4, headSize: 64, ...changes };
}

function refusal(act: () => void): ServingError {
  try {
    act();
  } catch (thrown) {
    if (thrown instanceof ServingError) return thrown;
  }
  throw new Error("it fits");
}

describe("the memory that a shard needs", () => {
  test("is a runner's own, the weights, and a quarter of what all slots would take when full", async () => {
    const keysAndValues = 2 * 4 * 8 * 4 * 64 * 1024 * 2; // both, f32, layers, heads, head size, positions, slots
    expect(memoryNeedBytes(await shard(), { slots: 2, contextLength: 1024 })).toBe(120 * MiB + 100 * MiB + keysAndValues / 4);
  });

  test("grows with layers, slots and positions, and with nothing that other stages hold", async () => {
    const kv = { slots: 2, contextLength: 1024 };
    const base = memoryNeedBytes(await shard(), kv);
    expect(memoryNeedBytes(await shard({ endLayer: 9 }), kv)).toBeGreaterThan(base);
    expect(memoryNeedBytes(await shard(), { ...kv, slots: 3 })).toBeGreaterThan(base);
    expect(memoryNeedBytes(await shard({ firstLayer: 8, endLayer: 16 }), kv)).toBe(base);
  });

  test("may be all that is free, and not a byte more", async () => {
    const kv = { slots: 2, contextLength: 1024 };
    const need = memoryNeedBytes(await shard(), kv);
    assertFits(await shard(), kv, need);
    const description = await shard();
    const error = refusal(() => assertFits(description, kv, need - 1));
    expect(error.code).toBe("RESOURCE_EXHAUSTED");
  });

  test("is told with what is free and what helps when it is too much", async () => {
    const description = await shard();
    const { message } = refusal(() => assertFits(description, { slots: 2, contextLength: 1024 }, 10 * MiB));
    expect(message).toMatch(/^stage 0 of 2 needs about \d+ MiB of memory and 10 MiB are free: use fewer slots/);
  });
});
