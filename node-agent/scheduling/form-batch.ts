/**
 * Which of the waiting requests run together, and whether now. Source: `DynamicBatchScheduler::GetDynamicBatch` of Triton's
 * core: only the head of the queue is looked at, and no request is passed over to find a better fit. Pure.
 */
import type { Waiting, WaitingItem } from "./waiting.ts";

export interface FormingOptions {
  readonly maxBatchSize: number;
  readonly preferred: ReadonlySet<number>;
  readonly preferredMax: number;
  /** 0: never wait. */
  readonly delayMs: number;
}

export type Formed<Item extends WaitingItem> =
  | { readonly kind: "run"; readonly batch: readonly Waiting<Item>[] }
  /** A preferred size may still come about; at `untilMs` the oldest has waited long enough. */
  | { readonly kind: "wait"; readonly untilMs: number };

/** @param order waiting requests, at least one, those that come first in front */
export function formBatch<Item extends WaitingItem>(order: Iterable<Waiting<Item>>, options: FormingOptions, nowMs: number): Formed<Item> {
  const { maxBatchSize, preferred, preferredMax, delayMs } = options;
  const batch: Waiting<Item>[] = [];
  let size = 0;
  let oldestMs = Number.POSITIVE_INFINITY;
  /** Requests in the best batch so far: the largest preferred size, or what stays below all of them. */
  let best = 0;
  let canGrow = true;
  for (const waiting of order) {
    const { item, arrivedMs } = waiting;
    const [first] = batch;
    if (first !== undefined) {
      if (best === 0 && size + item.size > preferredMax) best = batch.length;
      if (size + item.size > maxBatchSize || item.form !== first.item.form) {
        canGrow = false;
        break;
      }
    }
    batch.push(waiting);
    size += item.size;
    oldestMs = Math.min(oldestMs, arrivedMs);
    if (preferred.has(size)) best = batch.length;
  }
  const waitedEnough = delayMs > 0 && nowMs >= oldestMs + delayMs;
  if (best > 0 && !waitedEnough) return { kind: "run", batch: batch.slice(0, best) };
  if (!canGrow || size >= preferredMax || delayMs === 0 || waitedEnough) return { kind: "run", batch };
  return { kind: "wait", untilMs: oldestMs + delayMs };
}
