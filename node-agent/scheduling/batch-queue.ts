/**
 * Requests for one model, waiting for an instance: Triton's default scheduler and its dynamic batcher. Says what runs next; every
 * request leaves exactly once, by `next`, `expired`, `cancel` or `clear`. Pure.
 */
import { assert, ServingError } from "../../core/errors.ts";
import { type BatchItem, type BatchOptions, type DynamicBatching, NO_POLICY, type QueuePolicy } from "./batch-options.ts";
import { DueTimes } from "./due-times.ts";
import { type FormingOptions, formBatch } from "./form-batch.ts";
import { Waiting, type WaitingItem, WaitingLine } from "./waiting.ts";

export type BatchDecision<Item> =
  | { readonly kind: "run"; readonly batch: readonly Item[] }
  /** Nothing runs now; ask again then, or when a request comes or an instance is free. */
  | { readonly kind: "wait"; readonly untilMs: number }
  | { readonly kind: "idle" };

export interface Expired<Item> {
  readonly item: Item;
  readonly error: ServingError;
}

interface Level<Item extends WaitingItem> {
  readonly policy: QueuePolicy;
  readonly inTime: WaitingLine<Item>;
  /** Those whose timeout is over: behind all that are in time. */
  readonly delayed: WaitingLine<Item>;
}

const IDLE = { kind: "idle" } as const;

export class BatchQueue<Item extends WaitingItem> {
  readonly #dynamic: DynamicBatching | undefined;
  readonly #forming: FormingOptions;
  readonly #levels: readonly Level<Item>[];
  readonly #defaultLevel: number;
  readonly #due = new DueTimes<Item>();
  #expired: Expired<Item>[] = [];
  #startAfter: number;
  #stopped = false;
  #offers = 0;
  #count = 0;

  constructor({ maxBatchSize, dynamic }: BatchOptions) {
    this.#dynamic = dynamic;
    const preferred = dynamic === undefined || dynamic.preferred.length === 0 ? [maxBatchSize] : dynamic.preferred;
    const preferredMax = Math.max(...preferred);
    this.#forming = { maxBatchSize, preferred: new Set(preferred), preferredMax, delayMs: (dynamic?.delayUs ?? 0) / 1000 };
    const levels = Math.max(1, dynamic?.levels ?? 0);
    this.#levels = Array.from({ length: levels }, (_, index) => ({
      policy: dynamic?.policies.get(index + 1) ?? dynamic?.defaultPolicy ?? NO_POLICY,
      inTime: new WaitingLine<Item>(),
      delayed: new WaitingLine<Item>(),
    }));
    this.#defaultLevel = levels === 1 ? 1 : (dynamic?.defaultLevel ?? 1);
    assert(this.#defaultLevel >= 1 && this.#defaultLevel <= levels, `default level ${this.#defaultLevel} of ${levels}`);
    this.#startAfter = dynamic?.startAfter ?? 0;
  }

  /** When the oldest that waits came; undefined: nothing waits. */
  get sinceMs(): number | undefined {
    if (this.#count === 0) return undefined;
    const arrived = ({ first }: WaitingLine<Item>) => first?.arrivedMs ?? Number.POSITIVE_INFINITY;
    return Math.min(...this.#levels.flatMap(({ inTime, delayed }) => [arrived(inTime), arrived(delayed)]));
  }

  /** Requests that wait. */
  get count(): number {
    return this.#count;
  }

  get stopped(): boolean {
    return this.#stopped;
  }

  /** What waits will still run; further offers are refused. */
  stop(): void {
    this.#stopped = true;
    this.#startAfter = 0;
  }

  /** @returns why it is refused; undefined: it waits now */
  offer(item: Item, nowMs: number): ServingError | undefined {
    if (this.#stopped)
      return refusal(item, "Server is stopping, scheduler for model has stopped accepting new inference requests", "scheduler_stopped");
    const levelNumber = this.#levelOf(item);
    const level = this.#level(levelNumber);
    const { queueMax } = level.policy;
    if (queueMax > 0 && level.inTime.count + level.delayed.count >= queueMax)
      return refusal(item, "Exceeds maximum queue size", "queue_full");
    assert(item.waiting === undefined, "a request is offered once");
    const waiting = new Waiting(item, { level: levelNumber, arrivedMs: nowMs, number: ++this.#offers });
    const timeoutUs = timeoutOf(item, level.policy);
    waiting.timeoutMs = timeoutUs === 0 ? undefined : nowMs + timeoutUs / 1000;
    item.waiting = waiting;
    this.#count += 1;
    level.inTime.add(waiting);
    this.#due.update(waiting);
    return undefined;
  }

  /** Its sender does not want it any more. @returns false: it does not wait here */
  cancel(item: Item): boolean {
    if (item.waiting === undefined) return false;
    this.#leave(item.waiting);
    return true;
  }

  /** @param freeInstances how many could run a batch now */
  next(freeInstances: number, nowMs: number): BatchDecision<Item> {
    this.#expire(nowMs);
    if (this.#count === 0) return IDLE;
    if (this.#startAfter > this.#count) return this.#waitFor(undefined);
    this.#startAfter = 0;
    if (freeInstances === 0) return this.#waitFor(undefined);
    const formed = this.#form(nowMs);
    if (formed.kind === "wait") return this.#waitFor(formed.untilMs);
    for (const waiting of formed.batch) this.#leave(waiting);
    return { kind: "run", batch: formed.batch.map((waiting) => waiting.item) };
  }

  /** Requests that left because their time was over, each once: `next` does not give them any more. */
  expired(nowMs: number): readonly Expired<Item>[] {
    this.#expire(nowMs);
    if (this.#expired.length === 0) return NOTHING;
    const expired = this.#expired;
    this.#expired = [];
    return expired;
  }

  /** All that wait leave, in the order in which they would have run. */
  clear(): readonly Item[] {
    const items = Array.from(this.#order(), (waiting) => waiting.item);
    for (const item of items) this.cancel(item);
    return items;
  }

  #form(nowMs: number) {
    if (this.#dynamic !== undefined) return formBatch(this.#order(), this.#forming, nowMs);
    const [first] = this.#order();
    assert(first !== undefined, "a queue that is not empty has a first request");
    return { kind: "run", batch: [first] } as const;
  }

  #waitFor(batchMs: number | undefined): BatchDecision<Item> {
    const dueMs = this.#due.first?.dueMs;
    const untilMs = Math.min(batchMs ?? Number.POSITIVE_INFINITY, dueMs ?? Number.POSITIVE_INFINITY);
    return untilMs === Number.POSITIVE_INFINITY ? IDLE : { kind: "wait", untilMs };
  }

  *#order(): Generator<Waiting<Item>> {
    for (const { inTime, delayed } of this.#levels) {
      for (let waiting = inTime.first; waiting !== undefined; waiting = waiting.next) yield waiting;
      for (let waiting = delayed.first; waiting !== undefined; waiting = waiting.next) yield waiting;
    }
  }

  #expire(nowMs: number): void {
    for (let first = this.#due.first; first !== undefined && (first.dueMs ?? 0) <= nowMs; first = this.#due.first) {
      const { item } = first;
      const { policy, delayed } = this.#level(first.level);
      if (item.deadlineMs !== undefined && item.deadlineMs <= nowMs) this.#fail(first, deadlinePassed());
      else if (policy.timeoutAction === "reject") this.#fail(first, timeoutExpired());
      else {
        first.line?.remove(first);
        first.timeoutMs = undefined;
        delayed.add(first);
        this.#due.update(first);
      }
    }
  }

  #fail(waiting: Waiting<Item>, error: ServingError): void {
    this.#leave(waiting);
    this.#expired.push({ item: waiting.item, error });
  }

  #leave(waiting: Waiting<WaitingItem>): void {
    waiting.item.waiting = undefined;
    this.#count -= 1;
    waiting.line?.remove(waiting);
    this.#due.remove(waiting);
  }

  #levelOf({ priority }: Item): number {
    return priority >= 1 && priority <= this.#levels.length ? priority : this.#defaultLevel;
  }

  #level(number: number): Level<Item> {
    const level = this.#levels[number - 1];
    assert(level !== undefined, `there is no level ${number}`);
    return level;
  }
}

const NOTHING: readonly never[] = [];

/** Microseconds; 0: none. Only a shorter timeout than the default's overrides it. */
function timeoutOf({ timeoutUs }: BatchItem, { defaultTimeoutUs, allowTimeoutOverride }: QueuePolicy): number {
  return allowTimeoutOverride && timeoutUs > 0 && timeoutUs < defaultTimeoutUs ? timeoutUs : defaultTimeoutUs;
}

function refusal({ id }: BatchItem, text: string, reason: string): ServingError {
  return new ServingError("UNAVAILABLE", `[request id: ${id === "" ? "<id_unknown>" : id}] ${text}`, { reason });
}

const timeoutExpired = (): ServingError => new ServingError("UNAVAILABLE", "Request timeout expired", { reason: "queue_timeout" });

const deadlinePassed = (): ServingError =>
  new ServingError("DEADLINE_EXCEEDED", "the request's deadline passed while it waited for an instance of the model", {
    reason: "deadline_in_queue",
  });
