/**
 * When a command shall stop: Ctrl-C and the other signals, or the death of the npm or the set-up that started it.
 *
 * One Ctrl-C arrives more than once, from the terminal and passed on by npm and by the set-up; signals that come close together
 * count as one. A second Ctrl-C after that ends the process at once.
 */
import type { Clock } from "../core/clock.ts";
import { ServingError } from "../core/errors.ts";
import { INTERRUPTED } from "./exit.ts";
import { whenParentIsGone } from "./setup/parent-watch.mjs";

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
const SAME_SIGNAL_MS = 300;

/** What npm sets for the scripts that it runs. */
interface StartEnvironment {
  readonly npm_lifecycle_event?: string | undefined;
}

/** Held with `using`: disposing gives the signals back to Node. */
export interface StopSignal extends Disposable {
  readonly signal: AbortSignal;
}

/** Aborts with a ServingError of reason `interrupted`. */
export function stopSignal(clock: Clock, environment: StartEnvironment): StopSignal {
  const controller = new AbortController();
  let firstMs: number | undefined;
  const stop = (why: string) => {
    const nowMs = clock.now();
    if (firstMs === undefined) {
      firstMs = nowMs;
      controller.abort(new ServingError("CANCELLED", `stopped: ${why}`, { reason: INTERRUPTED }));
    } else if (nowMs - firstMs >= SAME_SIGNAL_MS) {
      process.exit(130);
    }
  };
  for (const signal of SIGNALS) process.on(signal, stop);
  const letGo = whenParentIsGone(environment, () => stop("the process that started it is gone"));
  return {
    signal: controller.signal,
    [Symbol.dispose]: () => {
      for (const signal of SIGNALS) process.off(signal, stop);
      letGo();
    },
  };
}

/** Resolves when it is time to stop. */
export function stopped(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
