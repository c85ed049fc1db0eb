/** Waits for a connection to Redis: what is sent before fails. */
import type { RedisConnection } from "../../../core/store/redis-connection.ts";

export function untilConnected(connection: RedisConnection): Promise<void> {
  return new Promise((resolve) => {
    if (connection.connected) resolve();
    const stop = connection.onConnection((up) => {
      if (!up) return;
      stop();
      resolve();
    });
  });
}
