/** P21: a node is cut off from all but Redis, or stands still, while it owns sequences; others take them over, and then it is back. */
import { seededRandom } from "../../../core/random.ts";
import { ChaosCluster } from "../chaos-cluster.ts";
import { freeze } from "../freeze.ts";
import { oneOf } from "../one-of.ts";
import type { Row } from "../row.ts";
import { startSequences } from "../sequence-clients.ts";
import { untilHolds } from "../until-holds.ts";

const [COUNT, STEPS] = [16, 200];
const FAULTS = 4;

export const twoOwners: Row = {
  promise: "P21",
  name: "two-owners",
  about: `a node is cut off from all but Redis or stopped, ${FAULTS} times, until its sequences run elsewhere, over two gateways: each step counts once`,
  protection: "the store's fence and states: sequence_state none",
  run: async (run) => {
    const random = seededRandom(run.seed);
    const kept = run.protected ? {} : { sequenceState: "none" as const };
    const options = { nodes: 2, gateways: 2, replicas: 0, copies: 2, redis: "", proxied: true, ...kept };
    await using cluster = await ChaosCluster.start(run, options);
    const urls = await cluster.urls();
    let asked = 0;
    const sequences = startSequences(() => urls[asked++ % urls.length] ?? "", { count: COUNT, steps: STEPS });
    /** All have gone on: whoever owned them then. */
    const allGoOn = async () => {
      const before = [...sequences.stepsOf];
      await untilHolds(async () =>
        sequences.stepsOf.every((steps, place) => steps === Number.POSITIVE_INFINITY || steps > (before[place] ?? 0) + 1),
      );
    };
    for (let fault = 0; fault < FAULTS; fault++) {
      await untilHolds(async () => sequences.stepsOf.length === COUNT);
      await allGoOn();
      const node = oneOf([...cluster.agents.keys()], random);
      const heal = fault % 2 === 0 ? await cluster.part(node) : freeze(cluster.agent(node));
      await allGoOn();
      await heal();
    }
    const { steps, lost, twice, waited, ended, tookMsMax } = await sequences.report;
    return {
      holds: steps === COUNT * STEPS && lost + twice + ended.length === 0,
      figures: {
        n: FAULTS,
        steps: `${steps}/${COUNT * STEPS}`,
        lost,
        twice,
        ended: ended.length,
        limit: 0,
        waits: waited,
        wait_ms: tookMsMax,
      },
      errors: ended,
    };
  },
};
