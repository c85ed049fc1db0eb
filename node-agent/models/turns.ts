/** Lets a few at a time do what starts processes: a whole repository at once would start all of them together, and starve what serves. */
import { untilAborted } from "../../core/abort.ts";

export class Turns {
  #free: number;
  readonly #waiting: (() => void)[] = [];

  constructor(turnsMax: number) {
    this.#free = turnsMax;
  }

  /** A turn, in the order of asking, to be disposed of. @throws the signal's reason when that aborts first */
  async take(signal: AbortSignal): Promise<Disposable> {
    signal.throwIfAborted();
    if (this.#free > 0) {
      this.#free -= 1;
      return this.#turn();
    }
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#waiting.push(resolve);
    try {
      await untilAborted(promise, signal);
    } catch (thrown) {
      const place = this.#waiting.indexOf(resolve);
      if (place === -1) this.#pass();
      else this.#waiting.splice(place, 1);
      throw thrown;
    }
    return this.#turn();
  }

  #turn(): Disposable {
    let over = false;
    return {
      [Symbol.dispose]: () => {
        if (!over) this.#pass();
        over = true;
      },
    };
  }

  #pass(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#free += 1;
    else next();
  }
}
