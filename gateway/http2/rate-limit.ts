/** Counts what a client may do so many times a second, and so many times at once. Pure. */

export class RateLimit {
  readonly #perSecond: number;
  readonly #burst: number;
  #left: number;
  #atMs = 0;

  constructor({ perSecond, burst }: { readonly perSecond: number; readonly burst: number }) {
    this.#perSecond = perSecond;
    this.#burst = burst;
    this.#left = burst;
  }

  /** @returns whether it may */
  take(nowMs: number): boolean {
    this.#left = Math.min(this.#burst, this.#left + ((nowMs - this.#atMs) * this.#perSecond) / 1_000);
    this.#atMs = nowMs;
    if (this.#left < 1) return false;
    this.#left -= 1;
    return true;
  }

  /** Allows some more. */
  giveBack(count: number): void {
    this.#left = Math.min(this.#burst, this.#left + count);
  }
}
