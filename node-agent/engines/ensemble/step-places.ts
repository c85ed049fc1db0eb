/** How many requests may be inside each step of an ensemble at a time (`max_inflight_requests`); more wait, first come first served. Pure. */

export class StepPlaces<Waiter> {
  readonly #placesMax: number;
  readonly #inside: number[] = [];
  readonly #waiting: Waiter[][] = [];

  /** @param placesMax of each step; 0: unlimited */
  constructor(placesMax: number) {
    this.#placesMax = placesMax;
  }

  /** @returns whether there is a place; if not, `waiter` waits for one */
  enter(step: number, waiter: Waiter): boolean {
    const inside = this.#inside[step] ?? 0;
    if (this.#placesMax === 0 || inside < this.#placesMax) {
      this.#inside[step] = inside + 1;
      return true;
    }
    this.#waiting[step] ??= [];
    this.#waiting[step].push(waiter);
    return false;
  }

  /** A place is given back. @returns who has it now */
  leave(step: number): Waiter | undefined {
    const next = this.#waiting[step]?.shift();
    if (next === undefined) this.#inside[step] = (this.#inside[step] ?? 0) - 1;
    return next;
  }

  /** Does not want a place any more. @returns false when it does not wait */
  forget(step: number, waiter: Waiter): boolean {
    const waiting = this.#waiting[step] ?? [];
    const place = waiting.indexOf(waiter);
    if (place === -1) return false;
    waiting.splice(place, 1);
    return true;
  }
}
