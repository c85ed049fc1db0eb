/** A sequence between its first request and its end, as the scheduler sees it. Pure. */
import type { SequenceItem } from "./sequence-options.ts";

/** A batch row of an instance; with the oldest strategy a place among the instance's candidates. */
export interface SequencePlace {
  readonly instance: number;
  readonly row: number;
}

export class LiveSequence<Item extends SequenceItem, Memory> {
  readonly key: string;
  /** undefined: it waits in the backlog. */
  place: SequencePlace | undefined;
  /** In the order of arrival. */
  readonly waiting: Item[] = [];
  /** One at a time. */
  running: Item | undefined;
  /** False: its END is here, only a START goes on. */
  open = true;
  /** Nothing follows what runs. */
  over = false;
  /** When its last request came or was done. */
  changedMs: number;
  /** When its next request could have run first. */
  readyMs = 0;
  /** When its time in the backlog is over; undefined: never. */
  dueMs: number | undefined;
  /** What the engine knows of it; the scheduler only keeps it. */
  memory: Memory | undefined;

  constructor(key: string, nowMs: number, memory: Memory | undefined) {
    this.key = key;
    this.changedMs = nowMs;
    this.memory = memory;
  }

  /** What could run now; undefined: nothing, or one of its requests runs. */
  get head(): Item | undefined {
    return this.running === undefined ? this.waiting[0] : undefined;
  }
}
