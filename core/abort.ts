/** Joined abort signals that let go of their parents: `AbortSignal.any` on a long-lived signal leaks (nodejs/node#55351). */
import type { Clock } from "./clock.ts";
import { ServingError } from "./errors.ts";

/** Held with `using`: disposing unlinks it from its parents. */
export interface LinkedSignal extends Disposable {
  readonly signal: AbortSignal;
  abort(reason: unknown): void;
}

/** A signal that aborts when any parent does, or by `abort`. */
export function linkedSignal(...parents: readonly AbortSignal[]): LinkedSignal {
  const controller = new AbortController();
  const unlink: (() => void)[] = [];
  for (const parent of parents) {
    if (parent.aborted) {
      controller.abort(parent.reason);
      break;
    }
    const onAbort = () => controller.abort(parent.reason);
    parent.addEventListener("abort", onAbort, { once: true });
    unlink.push(() => parent.removeEventListener("abort", onAbort));
  }
  return {
    signal: controller.signal,
    abort: (reason) => controller.abort(reason),
    [Symbol.dispose]: () => {
      for (const letGo of unlink) letGo();
    },
  };
}

/** A linked signal that also aborts with DEADLINE_EXCEEDED after `limitMs`. */
export function deadlineSignal(clock: Clock, limitMs: number, ...parents: readonly AbortSignal[]): LinkedSignal {
  const linked = linkedSignal(...parents);
  const takeBack = clock.after(limitMs, () =>
    linked.abort(new ServingError("DEADLINE_EXCEEDED", `the deadline of ${limitMs} ms has passed`)),
  );
  return {
    signal: linked.signal,
    abort: linked.abort,
    [Symbol.dispose]: () => {
      takeBack();
      linked[Symbol.dispose]();
    },
  };
}

/** `promise`, or a rejection with the signal's reason when that comes first. The promise itself runs on, and may fail unheard. */
export function untilAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(signal.reason);
    if (signal.aborted) onAbort();
    else signal.addEventListener("abort", onAbort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", onAbort));
  });
}
