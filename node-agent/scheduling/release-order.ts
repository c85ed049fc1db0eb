/** Holds back responses that are ready before those of earlier requests: Triton's `preserve_ordering`. Pure. */
import { assert } from "../../core/errors.ts";

/** A request's place in the order. */
export type Turn = number & { readonly brand: "Turn" };

export class ReleaseOrder<Response> {
  /** Responses that wait for an earlier one; undefined: a request that will have none. */
  readonly #ready = new Map<number, Response | undefined>();
  #taken = 0;
  #released = 0;

  /** Responses that are held back. */
  get held(): number {
    return this.#ready.size;
  }

  /** The next place; every one of them must be settled once. */
  take(): Turn {
    return this.#taken++ as Turn;
  }

  /**
   * @param response undefined: nothing will be sent to this one
   * @returns what may leave now, in order
   */
  settle(turn: Turn, response: Response | undefined): readonly Response[] {
    assert(turn >= this.#released && turn < this.#taken && !this.#ready.has(turn), `turn ${turn} is settled once`);
    this.#ready.set(turn, response);
    const released: Response[] = [];
    while (this.#ready.has(this.#released)) {
      const next = this.#ready.get(this.#released);
      this.#ready.delete(this.#released);
      this.#released += 1;
      if (next !== undefined) released.push(next);
    }
    return released;
  }
}
