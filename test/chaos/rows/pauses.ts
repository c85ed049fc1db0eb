/** P1: how long a stream pauses whose runner is killed when it has emitted 10, 100 and 1,000 tokens, and what with. */
import { systemClock } from "../../../core/clock.ts";
import { WITHOUT_END } from "../../cluster/completion-client.ts";
import { startRealCluster } from "../../support/cluster.ts";
import { isReady, MODEL } from "../../support/process-cluster.ts";
import { GIVEN_UP, GIVEN_UP_FLAGS, GIVING_UP } from "../given-up.ts";
import { type Pause, pauseParts } from "../pause-parts.ts";
import type { Row } from "../row.ts";
import { untilHolds } from "../until-holds.ts";
import { difference, longestGapMs, watchedStream } from "../watched-stream.ts";

const EMITTED = [10, 100, 1_000];

export const pauses: Row = {
  promise: "P01",
  name: "pauses",
  about: "kill -9 of a runner when a stream has 10, 100 and 1,000 tokens: it goes on with the same ones, after a pause",
  protection: GIVEN_UP,
  mutations: [GIVING_UP],
  run: async ({ cache, environment, protected: guarded }) => {
    const flags = { "--log-level": "info", ...(guarded ? {} : GIVEN_UP_FLAGS) };
    await using cluster = await startRealCluster(cache, { environment, flags });
    const at = { url: cluster.url, model: MODEL, clock: systemClock };
    const sum = { lost: 0, more: 0, other: 0, failed: 0 };
    const paused: Pause[] = [];
    for (const emitted of EMITTED) {
      const fields = { ...WITHOUT_END, prompt: "Once upon a time", max_tokens: emitted + 20 };
      const wanted = await watchedStream(at, fields);
      const [pid] = cluster.runnerPids();
      let killedAtMs = 0;
      const seen = await watchedStream(at, fields, (count) => {
        if (count !== emitted || pid === undefined) return;
        killedAtMs = systemClock.wallClockMs();
        process.kill(pid, "SIGKILL");
      });
      const one = difference(wanted, seen);
      for (const key of ["lost", "more", "other", "failed"] as const) sum[key] += one[key];
      paused.push({ killedAtMs, gapMs: longestGapMs(seen) });
      await untilHolds(() => isReady(cluster.url));
    }
    const { lost, more, other, failed } = sum;
    return {
      holds: lost + more + other + failed === 0,
      figures: {
        n: EMITTED.length,
        lost,
        dup: more,
        diff: other,
        failed,
        limit: 0,
        after: EMITTED.join(","),
        gap_ms: paused.map(({ gapMs }) => Math.round(gapMs)).join(","),
        ...pauseParts(await cluster.stop(), paused),
      },
    };
  },
};
