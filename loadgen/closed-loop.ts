/** A load that keeps so many requests under way: the next one is sent when one is answered. */
import type { Clock } from "../core/clock.ts";
import type { Load, LoadOptions } from "./load.ts";
import { LoadClient } from "./load-client.ts";
import type { RequestOrder } from "./request-order.ts";

/** After a failure a client waits so long: a server that refuses is not asked as fast as it can refuse. */
const FAILURE_PAUSE_MS = 10;

export class ClosedLoop implements Load {
  readonly #clients: readonly LoadClient[];
  readonly #clock: Clock;
  readonly #order: RequestOrder;
  #underWay = 0;
  #stopping = false;
  #stopped = () => {};

  constructor({ channels, meter, clock, order }: LoadOptions) {
    this.#clock = clock;
    this.#order = order;
    this.#clients = channels.map(
      (channel, number) => new LoadClient({ number, channel, meter, clock, free: (client) => this.#free(client) }),
    );
  }

  start(): void {
    this.#underWay = this.#clients.length;
    for (const client of this.#clients) client.send(this.#order.next(client.number), undefined);
  }

  stop(): Promise<void> {
    this.#stopping = true;
    return new Promise((resolve) => {
      this.#stopped = resolve;
      if (this.#underWay === 0) resolve();
    });
  }

  #free(client: LoadClient): void {
    if (client.failed) this.#order.failed(client.number);
    if (client.failed && !this.#stopping) {
      this.#clock.after(FAILURE_PAUSE_MS, () => this.#goOn(client));
    } else this.#goOn(client);
  }

  #goOn(client: LoadClient): void {
    const request = this.#stopping ? this.#order.last(client.number) : this.#order.next(client.number);
    if (request !== undefined) client.send(request, undefined);
    else if (--this.#underWay === 0) this.#stopped();
  }
}
