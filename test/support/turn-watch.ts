/** The longest that one turn of this thread's event loop has computed, in CPU time: other work on the machine does not count. */
export class TurnWatch implements Disposable {
  #longestUs = 0;
  #usedUs = usedUs();
  #isOver = false;

  constructor() {
    this.#next();
  }

  get longestMs(): number {
    return this.#longestUs / 1000;
  }

  /** What has been computed until now does not count. */
  reset(): void {
    this.#longestUs = 0;
    this.#usedUs = usedUs();
  }

  [Symbol.dispose](): void {
    this.#isOver = true;
  }

  #next(): void {
    setImmediate(() => {
      const nowUs = usedUs();
      this.#longestUs = Math.max(this.#longestUs, nowUs - this.#usedUs);
      this.#usedUs = nowUs;
      if (!this.#isOver) this.#next();
    });
  }
}

function usedUs(): number {
  const { user, system } = process.threadCpuUsage();
  return user + system;
}
