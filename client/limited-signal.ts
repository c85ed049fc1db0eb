/** The signal of a call: the caller's own, the client's end and the time limit in one. */
import { deadlineSignal, type LinkedSignal, linkedSignal } from "../core/abort.ts";
import type { Clock } from "../core/clock.ts";

export interface SignalSources {
  readonly clock: Clock;
  /** Of the call; undefined: no limit. */
  readonly timeoutMs: number | undefined;
  readonly signals: readonly (AbortSignal | undefined)[];
}

/** Held with `using` until the answer is whole. */
export function limitedSignal({ clock, timeoutMs, signals }: SignalSources): LinkedSignal {
  const parents = signals.filter((signal) => signal !== undefined);
  return timeoutMs === undefined ? linkedSignal(...parents) : deadlineSignal(clock, timeoutMs, ...parents);
}
