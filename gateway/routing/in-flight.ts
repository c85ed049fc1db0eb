/** What this gateway has under way, by replica. Pure. */

export class InFlight {
  readonly #counts = new Map<string, number>();

  /** Counts one request until it is disposed. */
  begin(replica: string): Disposable {
    this.#counts.set(replica, this.count(replica) + 1);
    let counted = true;
    return {
      [Symbol.dispose]: () => {
        if (!counted) return;
        counted = false;
        const rest = this.count(replica) - 1;
        if (rest === 0) this.#counts.delete(replica);
        else this.#counts.set(replica, rest);
      },
    };
  }

  count(replica: string): number {
    return this.#counts.get(replica) ?? 0;
  }
}
