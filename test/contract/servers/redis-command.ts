/** A command that a test gives to its Redis itself. */
import { Redis } from "ioredis";

/** @returns the answer, as a list of texts whatever it is */
export async function redisCommand(url: string, command: string, ...args: readonly string[]): Promise<readonly string[]> {
  const redis = new Redis(url, { enableReadyCheck: false });
  try {
    const answer = await redis.call(command, ...args);
    return (Array.isArray(answer) ? answer : [answer]).map(String);
  } finally {
    redis.disconnect();
  }
}
