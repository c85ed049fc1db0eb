/** How many stages a replica has, where that is left to placement: as few as fit. Pure. */
import { bytesNeeded } from "./node-rooms.ts";

/**
 * @param freeBytes of each node, the most first
 * @returns one stage per node at most; as many as there are nodes where even that is too much
 */
export function stageCount(modelBytes: number, freeBytes: readonly number[]): number {
  for (let stages = 1; stages < freeBytes.length; stages++) {
    const smallest = freeBytes[stages - 1] ?? 0;
    if (bytesNeeded(modelBytes / stages) <= smallest) return stages;
  }
  return Math.max(1, freeBytes.length);
}
