/** P18: clients hang up at any point of their streams. */

import { systemClock } from "../../../core/clock.ts";
import { seededRandom } from "../../../core/random.ts";
import { streamCompletion } from "../../cluster/completion-client.ts";
import { startRealCluster } from "../../support/cluster.ts";
import { percentile } from "../load.ts";
import type { Row } from "../row.ts";
import { streamRequests } from "../stream-requests.ts";
import { holdsWithin } from "../until-holds.ts";

/** Far more tokens than come within the time after which a slot counts as leaked. */
const [ROUNDS, STREAMS, TOKENS, HEARD_MAX] = [8, 8, 900, 30];
const LEAKED_MS = 3_000;
/** Of the 99th percentile, from the hang-up of the last of eight streams until no slot is busy. */
const FREE_MS_MAX = 200;

export const hangUps: Row = {
  promise: "P18",
  name: "hang-ups",
  about: "eight clients at a time hang up, before the first token, or at a random one: all slots are free soon, none leaks",
  protection: "a hang-up does not reset the stream",
  mutations: [{ file: "gateway/serving/answer-stream.ts", find: "this.#stream.reset(reason);", replace: "" }],
  run: async ({ seed, cache, environment }) => {
    await using cluster = await startRealCluster(cache, { environment });
    const random = seededRandom(seed);
    const freeMs: number[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      const streams = streamRequests(STREAMS, TOKENS).map((fields) => {
        const hangUp = new AbortController();
        const after = Math.floor(random.next() * HEARD_MAX);
        const onPiece = (pieces: number) => pieces >= after && hangUp.abort();
        return streamCompletion(cluster.url, fields, { signal: hangUp.signal, onPiece }).catch(() => undefined);
      });
      await Promise.all(streams);
      const startMs = systemClock.now();
      const isFree = async () => !/^nereid_(slots_busy|generations_queued)\{.*\} [^0]/m.test(await cluster.metrics());
      if (!(await holdsWithin(LEAKED_MS, isFree))) break;
      freeMs.push(systemClock.now() - startMs);
    }
    const sorted = freeMs.toSorted((a, b) => a - b);
    const leaked = (await cluster.metric("nereid_slots_busy")) + (await cluster.metric("nereid_generations_in_flight"));
    return {
      holds: freeMs.length === ROUNDS && leaked === 0,
      inTime: percentile(sorted, 0.99) <= FREE_MS_MAX,
      figures: {
        n: `${freeMs.length * STREAMS}/${ROUNDS * STREAMS}`,
        leaked,
        limit: 0,
        free_ms: `p50=${percentile(sorted, 0.5)},max=${percentile(sorted, 1)}`,
        free_limit: FREE_MS_MAX,
      },
    };
  },
};
