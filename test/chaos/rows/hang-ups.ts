/** P18: clients hang up at any point of their streams. */

import { systemClock } from "../../../core/clock.ts";
import { seededRandom } from "../../../core/random.ts";
import { streamCompletion } from "../../cluster/completion-client.ts";
import { startRealCluster } from "../../support/cluster.ts";
import { percentile } from "../load.ts";
import type { Row } from "../row.ts";
import { streamRequests } from "../stream-requests.ts";
import { untilHolds } from "../until-holds.ts";

const [ROUNDS, STREAMS, TOKENS] = [8, 8, 60];
/** Of the 99th percentile, from the hang-up of the last of eight streams until no slot is busy. */
const FREE_MS_MAX = 200;

export const hangUps: Row = {
  promise: "P18",
  name: "hang-ups",
  about: "eight clients at a time hang up, before the first token, or at a random one: all slots are free soon, none leaks",
  protection: { always: "a hang-up resets the stream down to the runner" },
  run: async ({ seed, cache }) => {
    await using cluster = await startRealCluster(cache);
    const random = seededRandom(seed);
    const freeMs: number[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      const streams = streamRequests(STREAMS, TOKENS).map((fields) => {
        const hangUp = new AbortController();
        const after = Math.floor(random.next() * (TOKENS / 2));
        const onPiece = (pieces: number) => pieces >= after && hangUp.abort();
        return streamCompletion(cluster.url, fields, { signal: hangUp.signal, onPiece }).catch(() => undefined);
      });
      await Promise.all(streams);
      const startMs = systemClock.now();
      await untilHolds(async () => !/^nereid_(slots_busy|generations_queued)\{.*\} [^0]/m.test(await cluster.metrics()));
      freeMs.push(systemClock.now() - startMs);
    }
    const sorted = freeMs.toSorted((a, b) => a - b);
    const leaked = await cluster.metric("nereid_generations_in_flight");
    return {
      holds: leaked === 0,
      inTime: percentile(sorted, 0.99) <= FREE_MS_MAX,
      figures: {
        n: ROUNDS * STREAMS,
        leaked,
        limit: 0,
        free_ms: `p50=${percentile(sorted, 0.5)},max=${percentile(sorted, 1)}`,
        free_limit: FREE_MS_MAX,
      },
    };
  },
};
