/** Loops that run side by side and stop together. */
import { linkedSignal } from "./abort.ts";

export type Task = (signal: AbortSignal) => Promise<void>;

/**
 * Runs all tasks; the first failure stops the rest. Resolves when every task has ended; a task that ends by throwing the
 * reason of `signal` was asked to stop and has not failed.
 * @throws the first failure, after all tasks have ended.
 */
export async function runAll(signal: AbortSignal, tasks: readonly Task[]): Promise<void> {
  using group = linkedSignal(signal);
  let failure: { readonly thrown: unknown } | undefined;
  await Promise.all(
    tasks.map(async (task) => {
      try {
        await task(group.signal);
      } catch (thrown) {
        if (signal.aborted && thrown === signal.reason) return;
        failure ??= { thrown };
        group.abort(thrown);
      }
    }),
  );
  if (failure !== undefined) throw failure.thrown;
}
