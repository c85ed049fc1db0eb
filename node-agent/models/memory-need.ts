/** Whether a shard fits this node's memory. Pure. */
import { ServingError } from "../../core/errors.ts";
import type { ShardDescription } from "../../core/model/shard-description.ts";

/** A process with the runtime in it, before any weight. */
const RUNNER_BYTES = 120 * 2 ** 20;
/** Slots fill as sequences grow; a node must have room for this part of all of them at load. */
const KV_FILL = 0.25;

/** Resident bytes to expect: weights once packed, and the part of the KV cache that is likely to be in use. */
export function memoryNeedBytes(shard: ShardDescription, kv: { readonly slots: number; readonly contextLength: number }): number {
  const layers = shard.endLayer - shard.firstLayer;
  const kvBytes = 2 * 4 * layers * shard.kvHeads * shard.headSize * kv.contextLength * kv.slots;
  return RUNNER_BYTES + shard.weightBytes + Math.ceil(kvBytes * KV_FILL);
}

const MiB = 2 ** 20;

/** @throws ServingError RESOURCE_EXHAUSTED with both numbers and what helps. */
export function assertFits(
  shard: ShardDescription,
  kv: { readonly slots: number; readonly contextLength: number },
  freeBytes: number,
): void {
  const need = memoryNeedBytes(shard, kv);
  if (need <= freeBytes) return;
  throw new ServingError(
    "RESOURCE_EXHAUSTED",
    `stage ${shard.stage} of ${shard.stages} needs about ${Math.ceil(need / MiB)} MiB of memory and ${Math.floor(freeBytes / MiB)} MiB are free: ` +
      "use fewer slots, a shorter context length, more stages, or a smaller quantization",
  );
}
