/** P23: NATS, Redis, a gateway and an agent come up in any order. */
import { seededRandom } from "../../../core/random.ts";
import { isReady, ProcessCluster } from "../../support/process-cluster.ts";
import { startRedis } from "../../support/real-servers.ts";
import { chaosModels, STATELESS } from "../chaos-models.ts";
import { passing } from "../passing.ts";
import { askStateless } from "../questions.ts";
import type { Row, RowRun } from "../row.ts";
import { untilHolds } from "../until-holds.ts";

const PARTS = ["nats", "redis", "gateway", "agent"] as const;
type Part = (typeof PARTS)[number];
/** Drawn from the 24 that there are. */
const ORDERS = 6;
/** Between two starts: longer than a gateway or an agent takes to begin waiting. */
const APART_MS = 1_000;

export const startOrders: Row = {
  promise: "P23",
  name: "start-orders",
  about: `NATS, Redis, a gateway and an agent start a second apart in ${ORDERS} orders of 24: all come up, ready is never said too early`,
  protection: undefined,
  run: async (run) => {
    const random = seededRandom(run.seed);
    const orders = permutations(PARTS)
      .map((order) => ({ order, key: random.next() }))
      .toSorted((a, b) => a.key - b.key)
      .slice(0, ORDERS);
    const errors: string[] = [];
    for (const { order } of orders) {
      await comesUp(order, run).catch((thrown: unknown) => errors.push(`${order.join(", ")}: ${thrown}`));
    }
    return { holds: errors.length === 0, figures: { n: ORDERS, up: ORDERS - errors.length, failed: errors.length, limit: 0 }, errors };
  },
};

/** @throws Error when it does not come up, or says that it is ready and cannot answer */
async function comesUp(order: readonly Part[], { cache }: RowRun): Promise<void> {
  using models = chaosModels({ replicas: 0, copies: 1 });
  await using redis = await startRedis();
  await using cluster = await ProcessCluster.start({ cache });
  await Promise.all([redis.kill(), cluster.nats.kill()]);
  const flags = ["--models", models.folder, "--redis-url", redis.url];
  let url: Promise<string> | undefined;
  for (const part of order) {
    if (part === "nats") await cluster.nats.start();
    else if (part === "redis") await redis.start();
    else if (part === "agent") cluster.agent("node-1", ...flags);
    else url = cluster.gateway("--model", "none", ...flags).url;
    await passing(APART_MS);
  }
  const at = (await url) ?? "";
  await untilHolds(() => isReady(at));
  await untilHolds(async () => (await fetch(`${at}/v2/models/${STATELESS}/ready`)).ok);
  await askStateless(() => at)(0);
}

function permutations<Item>(items: readonly Item[]): readonly (readonly Item[])[] {
  if (items.length <= 1) return [items];
  return items.flatMap((first, index) => permutations(items.filter((_, other) => other !== index)).map((rest) => [first, ...rest]));
}
