/**
 * Clients that take a stream, hold it against the same stream without faults, and take the next one, until it is enough. As SDKs do,
 * they begin again at the next gateway what one has not begun.
 */
import { type Clock, sleep } from "../../core/clock.ts";
import type { CompletionFields } from "../cluster/completion-client.ts";
import { streamRequests } from "./stream-requests.ts";
import { difference, type WatchedAnswer, type WatchedServer, watchedStream } from "./watched-stream.ts";

export interface StreamsReport {
  readonly streams: number;
  readonly tokens: number;
  readonly lost: number;
  readonly more: number;
  readonly other: number;
  readonly errors: readonly string[];
}

export interface Arrival {
  readonly atMs: number;
  readonly afterMs: number;
}

export interface EndlessStreams {
  /** By client, for each token behind its stream's first when it came, and after what silence. */
  readonly arrivals: readonly (readonly Arrival[])[];
  /** Resolves when what runs has ended. */
  end(): Promise<StreamsReport>;
}

export interface EndlessOptions extends Omit<WatchedServer, "url"> {
  readonly clients: number;
  readonly tokens: number;
  /** Where a client's next stream begins. */
  readonly where: (client: number) => string;
  readonly clock: Clock;
}

const BEGIN_AGAIN_MS = 100;
const BEGINNINGS_MAX = 50;
const never = new AbortController().signal;

/** Resolves when it is known what the streams are without faults, and they run. */
export async function endlessStreams(options: EndlessOptions): Promise<EndlessStreams> {
  const { clients, tokens, where, clock } = options;
  const requests = streamRequests(clients, tokens);
  const watch = async (client: number, fields: CompletionFields, onToken?: (count: number) => void): Promise<WatchedAnswer> => {
    for (let beginning = 1; ; beginning++) {
      const seen = await watchedStream({ ...options, url: where(client) }, fields, onToken).catch(failed);
      const mayBegin = seen.tokens.length === 0 && /fetch failed|^503/.test(seen.error ?? "");
      if (!mayBegin || beginning === BEGINNINGS_MAX) return seen;
      await sleep(clock, BEGIN_AGAIN_MS, never);
    }
  };
  const wanted = await Promise.all(requests.map((fields, client) => watch(client, fields)));
  const sum = { streams: 0, tokens: 0, lost: 0, more: 0, other: 0 };
  const errors: string[] = [];
  const arrivals = requests.map((): Arrival[] => []);
  let over = false;
  const run = async (client: number, fields: CompletionFields, whole: WatchedAnswer) => {
    while (!over) {
      let lastMs = 0;
      const seen = await watch(client, fields, (count) => {
        const atMs = clock.now();
        if (count > 1) arrivals[client]?.push({ atMs, afterMs: atMs - lastMs });
        lastMs = atMs;
      });
      const one = difference(whole, seen);
      for (const key of ["lost", "more", "other"] as const) sum[key] += one[key];
      sum.streams += 1;
      sum.tokens += seen.tokens.length;
      if (seen.error !== undefined) errors.push(seen.error);
    }
  };
  const running = Promise.all(requests.map((fields, client) => run(client, fields, wanted[client] ?? failed("not asked"))));
  return {
    arrivals,
    end: async () => {
      over = true;
      await running;
      return { ...sum, errors };
    },
  };
}

const failed = (thrown: unknown): WatchedAnswer => ({ tokens: [], text: "", atMs: [], finishReason: undefined, error: String(thrown) });
