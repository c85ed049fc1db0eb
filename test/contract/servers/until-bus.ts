/** Waits for a bus to have its broker, or to have lost it. */
import type { Bus } from "../../../core/bus/bus.ts";

/** Resolves when `connected` is so. */
export async function untilBus(bus: Bus, connected: boolean): Promise<void> {
  if (bus.connected === connected) return;
  const { promise, resolve } = Promise.withResolvers<void>();
  const subscription = bus.onConnection((now) => now === connected && resolve());
  await promise;
  subscription.unsubscribe();
}
