/** Streams that run while processes are killed, held against the same streams without faults. */
import { type Clock, sleep } from "../../core/clock.ts";
import { type Random, seededRandom } from "../../core/random.ts";
import { streamRequests } from "./stream-requests.ts";
import { difference, longestGapMs, type WatchedAnswer, watchedStream } from "./watched-stream.ts";

export interface Killing {
  readonly url: string;
  readonly model: string;
  readonly clock: Clock;
  readonly streams: number;
  readonly tokens: number;
  readonly seed: bigint;
  readonly killsMax: number;
  /** Milliseconds from when a kill may come until it does. */
  readonly everyMs: { readonly min: number; readonly max: number };
  /** Kills something, and resolves when the next kill may come. */
  readonly kill: (random: Random) => Promise<void>;
}

export interface KillReport {
  readonly kills: number;
  readonly tokens: number;
  readonly lost: number;
  readonly more: number;
  readonly other: number;
  readonly failed: number;
  readonly errors: readonly string[];
  /** Per stream its longest silence, ascending. */
  readonly gapsMs: readonly number[];
}

const never = new AbortController().signal;

export async function killedStreams(options: Killing): Promise<KillReport> {
  const { clock, everyMs } = options;
  const random = seededRandom(options.seed);
  const requests = streamRequests(options.streams, options.tokens);
  const wanted: WatchedAnswer[] = await Promise.all(requests.map((fields) => watchedStream(options, fields)));
  let running = requests.length;
  const streams = requests.map((fields) => watchedStream(options, fields).finally(() => (running -= 1)));
  let kills = 0;
  while (kills < options.killsMax) {
    await sleep(clock, everyMs.min + random.next() * (everyMs.max - everyMs.min), never);
    if (running === 0) break;
    kills += 1;
    await options.kill(random);
  }
  return report(wanted, await Promise.all(streams), kills);
}

function report(wanted: readonly WatchedAnswer[], seen: readonly WatchedAnswer[], kills: number): KillReport {
  const sum = { lost: 0, more: 0, other: 0, failed: 0 };
  for (const [index, answer] of wanted.entries()) {
    const one = difference(answer, seen[index] ?? answer);
    for (const key of ["lost", "more", "other", "failed"] as const) sum[key] += one[key];
  }
  return {
    ...sum,
    kills,
    tokens: seen.reduce((count, { tokens }) => count + tokens.length, 0),
    errors: seen.flatMap(({ error }) => error ?? []),
    gapsMs: seen.map(longestGapMs).toSorted((a, b) => a - b),
  };
}
