/**
 * A load that sends so many requests a second, whatever comes back. A request that finds all channels busy waits for one, and that
 * wait counts: its latency begins when it was due.
 */
import type { Clock } from "../core/clock.ts";
import type { NextGap } from "./arrivals.ts";
import type { Load, LoadOptions } from "./load.ts";
import { LoadClient } from "./load-client.ts";
import type { RequestOrder } from "./request-order.ts";

/** A timer may be so late, milliseconds: the last stretch before a request is due is looked at turn by turn. */
const TIMER_SLACK_MS = 2;

export class OpenLoop implements Load {
  readonly #nextGap: NextGap;
  readonly #clock: Clock;
  readonly #order: RequestOrder;
  readonly #idle: LoadClient[];
  readonly #clients: number;
  /** When requests were due that wait for a channel, the first one first. */
  readonly #waiting: number[] = [];
  #dueMs = 0;
  #stopping = false;
  #stopped = () => {};

  constructor({ channels, meter, clock, order }: LoadOptions, nextGap: NextGap) {
    this.#nextGap = nextGap;
    this.#clock = clock;
    this.#order = order;
    this.#clients = channels.length;
    this.#idle = channels.map((channel, number) => new LoadClient({ number, channel, meter, clock, free: (client) => this.#free(client) }));
  }

  start(): void {
    this.#dueMs = this.#clock.now();
    this.#sendDue();
  }

  stop(): Promise<void> {
    this.#stopping = true;
    this.#waiting.length = 0;
    return new Promise((resolve) => {
      this.#stopped = resolve;
      for (const client of this.#idle.splice(0)) this.#rest(client);
      if (this.#clients === 0) resolve();
    });
  }

  #sendDue = (): void => {
    if (this.#stopping) return;
    for (const nowMs = this.#clock.now(); this.#dueMs <= nowMs; this.#dueMs += this.#nextGap()) {
      const client = this.#order.takesTurns ? this.#idle.shift() : this.#idle.pop();
      if (client === undefined) this.#waiting.push(this.#dueMs);
      else client.send(this.#order.next(client.number), this.#dueMs);
    }
    const leftMs = this.#dueMs - this.#clock.now();
    if (leftMs > TIMER_SLACK_MS) this.#clock.after(leftMs - TIMER_SLACK_MS, this.#sendDue);
    else setImmediate(this.#sendDue);
  };

  #free(client: LoadClient): void {
    if (client.failed) this.#order.failed(client.number);
    const dueMs = this.#waiting.shift();
    if (dueMs !== undefined) client.send(this.#order.next(client.number), dueMs);
    else if (this.#stopping) this.#rest(client);
    else this.#idle.push(client);
  }

  /** Nothing more is due: what it has begun ends. */
  #rest(client: LoadClient): void {
    const last = this.#order.last(client.number);
    if (last !== undefined) client.send(last, undefined);
    else if (this.#idle.push(client) === this.#clients) this.#stopped();
  }
}
