/** Streams that run while processes are killed, held against the same streams without faults. */
import { type Random, seededRandom } from "../../core/random.ts";
import { streamRequests } from "./stream-requests.ts";
import { difference, longestGapMs, type WatchedAnswer, type WatchedServer, watchedStream } from "./watched-stream.ts";

export interface Killing extends WatchedServer {
  readonly streams: number;
  readonly tokens: number;
  readonly seed: bigint;
  readonly kills: number;
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
  /** Between two tokens of a stream, ascending: in the run without faults, and in the other one. */
  readonly pacesMs: { readonly calm: readonly number[]; readonly faulty: readonly number[] };
}

/** No kill comes when less of the tokens is left: there must be something to survive. */
const LAST_KILL_AT = 0.85;

/** Each kill comes when a random part of all tokens has come, however fast they do. */
export async function killedStreams(options: Killing): Promise<KillReport> {
  const random = seededRandom(options.seed);
  const requests = streamRequests(options.streams, options.tokens);
  const wanted: WatchedAnswer[] = await Promise.all(requests.map((fields) => watchedStream(options, fields)));
  const all = wanted.reduce((sum, { tokens }) => sum + tokens.length, 0);
  const killAt = Array.from({ length: options.kills }, () => random.next() * LAST_KILL_AT * all).toSorted((a, b) => a - b);
  let heard = 0;
  let look = () => {};
  const onToken = () => {
    heard += 1;
    look();
  };
  const answers = Promise.all(requests.map((fields) => watchedStream(options, fields, onToken)));
  let over = false;
  const ended = answers.finally(() => {
    over = true;
    look();
  });
  let kills = 0;
  for (const count of killAt) {
    await new Promise<void>((resolve) => {
      look = () => (over || heard >= count) && resolve();
      look();
    });
    if (over) break;
    kills += 1;
    await options.kill(random);
  }
  return report(wanted, await ended, kills);
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
    pacesMs: { calm: paces(wanted), faulty: paces(seen) },
  };
}

function paces(answers: readonly WatchedAnswer[]): readonly number[] {
  return answers.flatMap(({ atMs }) => atMs.slice(1).map((ms, index) => ms - (atMs[index] ?? ms))).toSorted((a, b) => a - b);
}
