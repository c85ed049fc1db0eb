/** A pace for scripted text: it stops before a position until the test lets it go, or until it is canceled. */

export class HeldPace {
  readonly #from: number;
  #allowed = 0;
  readonly #waiting: (() => void)[] = [];

  /** @param from the first position that waits. */
  constructor(from: number) {
    this.#from = from;
  }

  /** Generations that wait now. */
  get held(): number {
    return this.#waiting.length;
  }

  /** Lets this many tokens more through. */
  release(tokens: number): void {
    this.#allowed += tokens;
    while (this.#allowed > 0 && this.#waiting.length > 0) {
      this.#allowed--;
      this.#waiting.shift()?.();
    }
  }

  readonly pace = async (_choice: number, position: number, signal: AbortSignal): Promise<void> => {
    if (position < this.#from) return;
    if (this.#allowed > 0) {
      this.#allowed--;
      return;
    }
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const leave = () => {
      this.#waiting.splice(this.#waiting.indexOf(resolve), 1);
      reject(signal.reason);
    };
    this.#waiting.push(resolve);
    signal.addEventListener("abort", leave, { once: true });
    await promise;
    signal.removeEventListener("abort", leave);
  };
}
