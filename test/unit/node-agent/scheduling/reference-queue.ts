/**
 * The dynamic batcher once more, as plainly as it can be said: one array, searched and filtered. What the real one is compared with.
 */
import type { BatchItem, BatchOptions, QueuePolicy } from "../../../../node-agent/scheduling/batch-options.ts";

interface Held<Item> {
  readonly item: Item;
  readonly level: number;
  readonly arrivedMs: number;
  readonly timeoutMs: number;
  delayed: number;
}

export class ReferenceQueue<Item extends BatchItem> {
  held: Held<Item>[] = [];
  rejected: Item[] = [];
  readonly #options: BatchOptions;
  #delays = 0;

  constructor(options: BatchOptions) {
    this.#options = options;
  }

  offer(item: Item, nowMs: number): boolean {
    const { dynamic } = this.#options;
    const levels = dynamic?.levels ?? 0;
    const level = levels === 0 ? 1 : item.priority >= 1 && item.priority <= levels ? item.priority : (dynamic?.defaultLevel ?? 1);
    const { queueMax, defaultTimeoutUs, allowTimeoutOverride } = this.#policy(level);
    if (queueMax > 0 && this.held.filter((one) => one.level === level).length >= queueMax) return false;
    const own = allowTimeoutOverride && item.timeoutUs > 0 && item.timeoutUs < defaultTimeoutUs ? item.timeoutUs : defaultTimeoutUs;
    this.held.push({ item, level, arrivedMs: nowMs, timeoutMs: own === 0 ? Number.POSITIVE_INFINITY : nowMs + own / 1000, delayed: 0 });
    return true;
  }

  cancel(item: Item): void {
    this.held = this.held.filter((one) => one.item !== item);
  }

  expire(nowMs: number): void {
    const due = (one: Held<Item>) =>
      Math.min(one.item.deadlineMs ?? Number.POSITIVE_INFINITY, one.delayed > 0 ? Number.POSITIVE_INFINITY : one.timeoutMs);
    for (const one of this.held.filter((each) => due(each) <= nowMs).sort((a, b) => due(a) - due(b))) {
      const past = (one.item.deadlineMs ?? Number.POSITIVE_INFINITY) <= nowMs;
      if (!past && this.#policy(one.level).timeoutAction === "delay") one.delayed = ++this.#delays;
      else {
        this.rejected.push(one.item);
        this.cancel(one.item);
      }
    }
  }

  /** The batch that runs now; undefined: none. */
  run(nowMs: number): Item[] | undefined {
    this.expire(nowMs);
    const order = this.held.toSorted((a, b) => a.level - b.level || a.delayed - b.delayed); // stable: else by arrival
    if (order.length === 0) return undefined;
    const count = this.#options.dynamic === undefined ? 1 : this.#count(order, nowMs);
    const batch = order.slice(0, count).map(({ item }) => item);
    for (const item of batch) this.cancel(item);
    return batch.length === 0 ? undefined : batch;
  }

  /** How many of the first run together; 0: they wait. */
  #count(order: readonly Held<Item>[], nowMs: number): number {
    const { maxBatchSize, dynamic } = this.#options;
    const preferred = dynamic === undefined || dynamic.preferred.length === 0 ? [maxBatchSize] : dynamic.preferred;
    const largest = Math.max(...preferred);
    const sizes = order.map((_, index) => order.slice(0, index + 1).reduce((sum, { item }) => sum + item.size, 0));
    const sizeOf = (count: number) => sizes[count - 1] ?? 0;
    let fit = 1;
    while (fit < order.length && sizeOf(fit + 1) <= maxBatchSize && order[fit]?.item.form === order[0]?.item.form) fit += 1;
    const delayMs = (dynamic?.delayUs ?? 0) / 1000;
    const oldest = Math.min(...order.slice(0, fit).map(({ arrivedMs }) => arrivedMs));
    const late = delayMs > 0 && nowMs >= oldest + delayMs;
    if (late) return fit;
    const exact = Array.from({ length: fit }, (_, index) => index + 1).filter((count) => preferred.includes(sizeOf(count)));
    const hit = exact.at(-1);
    if (hit !== undefined) return hit;
    // The first place where one more request passes every preferred size, be that one of another form or too large.
    const cut = Array.from({ length: fit }, (_, index) => index + 1).find((count) => count < order.length && sizeOf(count + 1) > largest);
    if (cut !== undefined) return cut;
    if (fit < order.length || sizeOf(fit) >= largest || delayMs === 0) return fit;
    return 0;
  }

  #policy(level: number): QueuePolicy {
    const { dynamic } = this.#options;
    const none: QueuePolicy = { timeoutAction: "reject", defaultTimeoutUs: 0, allowTimeoutOverride: false, queueMax: 0 };
    return dynamic?.policies.get(level) ?? dynamic?.defaultPolicy ?? none;
  }
}
