/** What this gateway has under way, by replica. Pure. */

/** Counters without requests are thrown away once there are so many. */
const IDLE_MAX = 1_000;

interface Counter {
  count: number;
}

export class InFlight {
  /** A replica keeps its counter when nothing is under way: a map that every request changes costs more than what it holds. */
  readonly #counters = new Map<string, Counter>();

  /** Counts one request until it is disposed. */
  begin(replica: string): Disposable {
    let counter = this.#counters.get(replica);
    if (counter === undefined) {
      if (this.#counters.size >= IDLE_MAX) this.#forgetIdle();
      counter = { count: 0 };
      this.#counters.set(replica, counter);
    }
    return new Counted(counter);
  }

  count(replica: string): number {
    return this.#counters.get(replica)?.count ?? 0;
  }

  #forgetIdle(): void {
    for (const [replica, { count }] of this.#counters) if (count === 0) this.#counters.delete(replica);
  }
}

class Counted implements Disposable {
  #counter: Counter | undefined;

  constructor(counter: Counter) {
    this.#counter = counter;
    counter.count += 1;
  }

  [Symbol.dispose](): void {
    if (this.#counter !== undefined) this.#counter.count -= 1;
    this.#counter = undefined;
  }
}
