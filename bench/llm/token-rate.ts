/** How fast sequences generate together, from the times of their tokens. Pure. */
import type { ChatTimes } from "./chat-client.ts";

/**
 * Tokens per second of all sequences, over the time in which all of them generate: from the last one's first token to the first
 * one's last. Each sequence's own rate is taken inside that window, between tokens of its own, so that no half step counts.
 * @param timesMs of each sequence, ascending
 * @returns NaN when a sequence has fewer than two tokens in the window
 */
export function jointTokenRate(timesMs: readonly (readonly number[])[]): number {
  const from = Math.max(...timesMs.map((times) => times[0] ?? Number.NaN));
  const until = Math.min(...timesMs.map((times) => times.at(-1) ?? Number.NaN));
  let sum = 0;
  for (const times of timesMs) {
    const inside = times.filter((time) => time >= from && time <= until);
    const [first, last] = [inside[0] ?? Number.NaN, inside.at(-1) ?? Number.NaN];
    sum += inside.length < 2 ? Number.NaN : ((inside.length - 1) * 1_000) / (last - first);
  }
  return sum;
}

/** Output tokens per second, from the first request sent to the last answer's end. */
export function throughput(chats: readonly Pick<ChatTimes, "sentMs" | "endMs" | "completionTokens">[]): number {
  const tokens = chats.reduce((sum, { completionTokens }) => sum + completionTokens, 0);
  const from = Math.min(...chats.map(({ sentMs }) => sentMs));
  const until = Math.max(...chats.map(({ endMs }) => endMs));
  return (tokens * 1_000) / (until - from);
}
