/** P4, P5: NATS is killed under load, and comes back after a while. */
import { systemClock } from "../../../core/clock.ts";
import { ChaosCluster } from "../chaos-cluster.ts";
import { LANGUAGE } from "../chaos-models.ts";
import { killedStreams } from "../killed-streams.ts";
import { percentile, startLoad } from "../load.ts";
import { passing } from "../passing.ts";
import { askLanguage, askStateless } from "../questions.ts";
import type { Row } from "../row.ts";

/** Of the 99th percentile between two tokens, against the same load with NATS there. */
const SLOWER_MAX = 1.2;

export const natsRestarted = row({ promise: "P04", name: "kill9-nats-3s", awayMs: 3_000, tokens: 100 });
export const natsAway = row({ promise: "P05", name: "nats-away-10s", awayMs: 10_000, tokens: 200 });

function row({ promise, name, awayMs, tokens }: { promise: string; name: string; awayMs: number; tokens: number }): Row {
  return {
    promise,
    name,
    about: `kill -9 of NATS, back after ${awayMs / 1_000} s, under streams and requests: no stream notices, no request fails`,
    protection: "the links, which are cut off as well",
    run: async (run) => {
      await using cluster = await ChaosCluster.start(run, { nodes: 2, replicas: 1, copies: 2, proxied: true });
      const { url } = cluster;
      const load = startLoad(
        2,
        askStateless(() => url),
      );
      const unary = startLoad(1, await askLanguage(() => url));
      const silent = { there: { silent: true }, back: { silent: true } };
      const links = async (weather: object) => {
        for (const proxy of run.protected ? [] : cluster.proxies.nodes.values()) await proxy.set("link", weather);
      };
      const report = await killedStreams({
        url,
        model: LANGUAGE,
        clock: systemClock,
        streams: 4,
        tokens,
        kills: 1,
        seed: run.seed,
        kill: async () => {
          await cluster.nats.kill();
          await links(silent);
          await passing(awayMs);
          await cluster.nats.start();
          await links({});
        },
      });
      await load.more(20);
      const [small, large] = [await load.end(), await unary.end()];
      const { lost, more, other, errors, tokens: count, pacesMs } = report;
      const slower = percentile(pacesMs.faulty, 0.99) / Math.max(1, percentile(pacesMs.calm, 0.99));
      const failed = small.failed + large.failed + errors.length;
      return {
        holds: report.kills === 1 && lost + more + other + failed === 0,
        inTime: slower <= SLOWER_MAX,
        figures: {
          n: 1,
          requests: small.answered + large.answered,
          tokens: count,
          failed,
          lost,
          dup: more,
          diff: other,
          limit: 0,
          itl_p99_ms: percentile(pacesMs.faulty, 0.99),
          ratio: slower.toFixed(2),
          ratio_limit: SLOWER_MAX,
        },
        errors: [...errors, ...small.errors, ...large.errors],
      };
    },
  };
}
