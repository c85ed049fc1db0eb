/**
 * A bucket that fills evenly and holds a minute's worth: who finds enough in it goes on, who does not is told when there will be. What
 * costs more than the bucket holds goes on when it is full, and leaves a debt, so that the rate holds and nothing waits for ever. Pure.
 */

export interface Bucket {
  /** At `atMs`; below 0 is a debt. */
  readonly level: number;
  readonly atMs: number;
}

export const WINDOW_MS = 60_000;

export const fullBucket = (perMinute: number, nowMs: number): Bucket => ({ level: perMinute, atMs: nowMs });

/** As it is now; a clock that does not advance fills nothing. */
export function refilled({ level, atMs }: Bucket, perMinute: number, nowMs: number): Bucket {
  if (nowMs <= atMs) return { level, atMs };
  return { level: Math.min(perMinute, level + (perMinute * (nowMs - atMs)) / WINDOW_MS), atMs: nowMs };
}

/** How long until `cost` may be taken from a bucket that is as it is now; 0: at once. */
export function waitMs({ level }: Bucket, perMinute: number, cost: number): number {
  const missing = Math.min(cost, perMinute) - level;
  return missing <= 0 ? 0 : (missing * WINDOW_MS) / perMinute;
}

/** Takes what others have used, or gives back what was not: never more than it holds, and never a debt of more than a minute for them. */
export function corrected({ level, atMs }: Bucket, perMinute: number, used: number): Bucket {
  const floor = Math.min(level, -perMinute);
  return { level: Math.min(perMinute, Math.max(floor, level - used)), atMs };
}
