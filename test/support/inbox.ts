/** Collects what arrives, and waits for so much of it. */

export class Inbox<Item> {
  readonly items: Item[] = [];
  #waiting: (() => void)[] = [];

  /** To be given to whatever delivers. */
  readonly put = (item: Item): void => {
    this.items.push(item);
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const wake of waiting) wake();
  };

  /** Resolves when `count` items have come in all. The test's own timeout is the limit. */
  async until(count: number): Promise<readonly Item[]> {
    while (this.items.length < count) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    return this.items;
  }
}
