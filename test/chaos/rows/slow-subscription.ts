/** P9: of what NATS has for an agent hardly anything comes through, and that agent's requests take its link. */
import { ended } from "../../support/process-cluster.ts";
import { ChaosCluster } from "../chaos-cluster.ts";
import { percentile, startLoad } from "../load.ts";
import { passing } from "../passing.ts";
import { askLanguage, askStateless } from "../questions.ts";
import type { Row } from "../row.ts";

const SLOW_MS = 15_000;
const BYTES_PER_SECOND = 20;
/** As agents log it when NATS's answers have not come through for so long that they dial it anew. */
const DIALED_ANEW = /NATS is gone/g;
/** Twice what a submit waits for the bus, a turn of all that run, and air. */
const WAIT_MS_MAX = 2_000;

export const slowSubscription: Row = {
  promise: "P09",
  name: "slow-subscription",
  about: `every agent reads ${BYTES_PER_SECOND} bytes a second of what NATS has for it, for ${SLOW_MS / 1_000} s, under requests: they take the links, none fails or waits long`,
  protection: "submits that are not answered do not take the link",
  mutations: [{ file: "gateway/serving/submit.ts", find: "const ACK_MS = 250;", replace: "const ACK_MS = 60_000;" }],
  run: async (run) => {
    await using cluster = await ChaosCluster.start(run, { nodes: 2, replicas: 1, copies: 2, proxied: true });
    const where = () => cluster.url;
    const loads = [startLoad(40, askStateless(where)), startLoad(1, await askLanguage(where))];
    for (const bus of cluster.proxies.buses.values()) bus.set({ back: { bytesPerSecond: BYTES_PER_SECOND } });
    await passing(SLOW_MS);
    for (const bus of cluster.proxies.buses.values()) bus.set({});
    const reports = await Promise.all(loads.map((load) => load.end()));
    const logs = await Promise.all([...cluster.agents.values()].map((agent) => ended(agent, "SIGTERM")));
    const anew = logs.reduce((sum, { stderr }) => sum + (stderr.match(DIALED_ANEW)?.length ?? 0), 0);
    const [answered, failed] = [reports.reduce((sum, one) => sum + one.answered, 0), reports.reduce((sum, one) => sum + one.failed, 0)];
    const tookMs = reports.flatMap((report) => report.tookMs).toSorted((a, b) => a - b);
    return {
      holds: failed === 0 && answered > 0,
      inTime: percentile(tookMs, 0.99) <= WAIT_MS_MAX,
      figures: {
        n: cluster.agents.size,
        requests: answered,
        failed,
        limit: 0,
        dialed_anew: anew,
        took_ms: `p50=${percentile(tookMs, 0.5)},p99=${percentile(tookMs, 0.99)}`,
        took_limit: WAIT_MS_MAX,
      },
      errors: reports.flatMap(({ errors }) => errors),
    };
  },
};
