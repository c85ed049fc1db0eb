/** P19: steps of sequences are sent twice, at once and later, over two gateways, while links are reset and lose what is under way. */
import { seededRandom } from "../../../core/random.ts";
import { ChaosCluster } from "../chaos-cluster.ts";
import { oneOf } from "../one-of.ts";
import { passing } from "../passing.ts";
import type { Row } from "../row.ts";
import { startSequences } from "../sequence-clients.ts";

const COUNT = 500;
const [STEPS, AT_ONCE] = [20, 16];
/** Each loses one frame or so for every sequence that runs: a twentieth of all steps. */
const RESET_EVERY_MS = 400;

export const repeatedSteps: Row = {
  promise: "P19",
  name: "repeated-steps",
  about: `one step in ten of ${COUNT} sequences is sent twice, at once or again, and links are reset: each is applied once, repeats get the same bytes`,
  protection: "sequence_step, by which a repeat is known",
  run: async (run) => {
    const { kills: count = COUNT } = run;
    const random = seededRandom(run.seed);
    await using cluster = await ChaosCluster.start(run, { nodes: 2, gateways: 2, replicas: 0, copies: 2, redis: "", proxied: true });
    const urls = await cluster.urls();
    let asked = 0;
    const where = () => urls[asked++ % urls.length] ?? "";
    const sequences = startSequences(where, { count, steps: STEPS, atOnce: AT_ONCE, repeats: random, numbered: run.protected });
    let over = false;
    const ended = sequences.report.finally(() => {
      over = true;
    });
    let resets = 0;
    for (; !over; resets++) {
      await passing(RESET_EVERY_MS);
      await oneOf([...cluster.proxies.nodes.values()], random).cut("link");
    }
    const { steps, lost, twice, repeated, unlike, waited, ended: broken } = await ended;
    return {
      holds: steps === count * STEPS && lost + twice + unlike + broken.length === 0 && repeated > 0 && resets > 0,
      figures: {
        n: `${count}x${STEPS}`,
        steps,
        repeated,
        resets,
        lost,
        twice,
        other_bytes: unlike,
        ended: broken.length,
        limit: 0,
        waits: waited,
      },
      errors: broken,
    };
  },
};
