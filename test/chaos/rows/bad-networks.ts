/** P10: every connection in turn becomes slow and lossy, then is reset again and again. */
import { systemClock } from "../../../core/clock.ts";
import { ChaosCluster } from "../chaos-cluster.ts";
import { LANGUAGE } from "../chaos-models.ts";
import { endlessStreams } from "../endless-streams.ts";
import { percentile, startLoad } from "../load.ts";
import type { Weathers } from "../node-proxy.ts";
import { passing } from "../passing.ts";
import { askStateless } from "../questions.ts";
import type { Row } from "../row.ts";
import { startSequences } from "../sequence-clients.ts";

const LINK = "core/link/link.ts";
const EACH_MS = 2_000;
/** As often as a generation goes on without a token in between: `--migration-limit`. */
const RESETS = 3;
const RESET_EVERY_MS = 400;
/** 50 ms and up to 50 more on the way there and back together, 1 % lost, 1 Mbit/s. */
const ONE_WAY = { delayMs: 25, jitterMs: 25, loss: 0.01, bytesPerSecond: 125_000 };
const BAD: Weathers = { there: ONE_WAY, back: ONE_WAY };

interface Connection {
  readonly set: (weather: Weathers) => Promise<void> | void;
  readonly cut: () => Promise<void> | void;
}

/** Each plane of each process. */
function connections({ proxies }: ChaosCluster): readonly Connection[] {
  const servers = [proxies.nats, proxies.redis].filter((proxy) => proxy !== undefined);
  const nodes = [...proxies.nodes.values()].flatMap((node) =>
    (["link", "stages"] as const).map((plane) => ({ set: (weather: Weathers) => node.set(plane, weather), cut: () => node.cut(plane) })),
  );
  return [...servers, ...nodes];
}

const slowly = async ({ set }: Connection) => {
  await set(BAD);
  await passing(EACH_MS);
  await set({});
};
const again = async ({ cut }: Connection) => {
  for (let count = 0; count < RESETS; count++) {
    await cut();
    await passing(RESET_EVERY_MS);
  }
};

export const slowNetworks = row("slow-lossy-networks", "is slow, jittery and lossy in turn", slowly, {
  protection: "links that take 150 ms for death, and --migration-limit 0",
  mutations: [
    { file: LINK, find: "const LINK_SILENCE_MS = 1_500;", replace: "const LINK_SILENCE_MS = 150;" },
    { file: LINK, find: "const LINK_SUSPECT_MS = 500;", replace: "const LINK_SUSPECT_MS = 75;" },
  ],
});
export const resetStorms = row("reset-storms", "is reset three times in turn", again, { protection: "--migration-limit 0" });

function row(
  name: string,
  how: string,
  treat: (connection: Connection) => Promise<void>,
  without: Pick<Row, "protection" | "mutations">,
): Row {
  return {
    promise: "P10",
    name,
    about: `each connection between gateway, NATS, Redis, agents and stages ${how}, under streams, requests and sequences: nothing fails`,
    ...without,
    run: async (run) => {
      const gatewayFlags = run.protected ? [] : ["--migration-limit", "0"];
      await using cluster = await ChaosCluster.start(run, { nodes: 2, stages: 2, copies: 2, redis: "", proxied: true, gatewayFlags });
      const where = () => cluster.url;
      const streams = await endlessStreams({ clients: 4, tokens: 100, where, model: LANGUAGE, clock: systemClock });
      const load = startLoad(1, askStateless(where));
      let over = false;
      const sequences = startSequences(where, { count: 8, steps: Number.POSITIVE_INFINITY, isOver: () => over });
      const treated = connections(cluster);
      for (const connection of treated) await treat(connection);
      over = true;
      const [generated, small, stepped] = await Promise.all([streams.end(), load.end(), sequences.report]);
      const errors = [...generated.errors, ...small.errors, ...stepped.ended];
      const gapsMs = streams.arrivals.flatMap((tokens) => tokens.map(({ afterMs }) => afterMs)).toSorted((a, b) => a - b);
      return {
        holds: generated.lost + generated.more + generated.other + stepped.lost + stepped.twice + small.failed + errors.length === 0,
        figures: {
          n: treated.length,
          streams: generated.streams,
          tokens: generated.tokens,
          lost: generated.lost,
          dup: generated.more,
          diff: generated.other,
          failed: generated.errors.length,
          gap_ms: `p50=${percentile(gapsMs, 0.5)},max=${percentile(gapsMs, 1)}`,
          requests: small.answered,
          requests_failed: small.failed,
          steps: stepped.steps,
          steps_lost: stepped.lost,
          steps_twice: stepped.twice,
          sequences_ended: stepped.ended.length,
          limit: 0,
          waits: stepped.waited,
        },
        errors,
      };
    },
  };
}
