/** Which of the prepared requests each client of a load sends next. Pure but for its place in them. */

export interface RequestOrder {
  /** Whether free clients take turns: what each sends belongs together. */
  readonly takesTurns: boolean;
  next(client: number): number;
  /** The client's last request did: what it belongs to is over. */
  failed(client: number): void;
  /** What ends what the client has begun; undefined: nothing is open. */
  last(client: number): number | undefined;
}

/** One after the other, whoever sends it. */
export function inTurn(): RequestOrder {
  let next = 0;
  return { takesTurns: false, next: () => next++, failed: () => {}, last: () => undefined };
}
