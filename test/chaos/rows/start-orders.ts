/** P23: NATS, Redis, a gateway and an agent come up in any order, and each of them a minute late. */
import { isReady, ProcessCluster } from "../../support/process-cluster.ts";
import { startRedis } from "../../support/real-servers.ts";
import { chaosModels, STATELESS } from "../chaos-models.ts";
import { passing } from "../passing.ts";
import { askStateless } from "../questions.ts";
import type { Row, RowRun } from "../row.ts";
import { untilHolds } from "../until-holds.ts";

const PARTS = ["nats", "redis", "gateway", "agent"] as const;
type Part = (typeof PARTS)[number];
/** Between two starts: longer than a gateway or an agent takes to begin waiting. */
const APART_MS = 1_000;
const LATE_MS = 60_000;
/** Clusters that come up side by side. */
const AT_ONCE = 3;

interface Start {
  readonly order: readonly Part[];
  /** Before the last part. */
  readonly waitMs: number;
}

/** The long ones first. */
const STARTS: readonly Start[] = [
  ...PARTS.map((late) => ({ order: [...PARTS.filter((part) => part !== late), late], waitMs: LATE_MS })),
  ...permutations(PARTS).map((order) => ({ order, waitMs: APART_MS })),
];

export const startOrders: Row = {
  promise: "P23",
  name: "start-orders",
  about: `NATS, Redis, a gateway and an agent start a second apart in all 24 orders, and each of them ${LATE_MS / 1_000} s late: all come up, ready is never said too early`,
  protection: "who does not find NATS ends",
  mutations: [
    {
      file: "core/bus/nats.ts",
      find: "if (!this.#closed) this.#takeBackRetry = ",
      replace: "if (!this.#closed) process.exit(1);\nthis.#takeBackRetry = ",
    },
  ],
  run: async (run) => {
    let up = 0;
    const errors: string[] = [];
    const left = [...STARTS];
    const isEnough = () => !run.protected && errors.length > 0;
    const some = async () => {
      for (let start = left.shift(); start !== undefined && !isEnough(); start = left.shift()) {
        const { order, waitMs } = start;
        await comesUp(start, run).then(
          () => up++,
          (thrown: unknown) => errors.push(`${order.join(", ")} after ${waitMs} ms: ${thrown}`),
        );
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, some));
    return {
      holds: up === STARTS.length,
      figures: { n: STARTS.length, up, failed: errors.length, limit: 0 },
      errors,
    };
  },
};

/** @throws Error when it does not come up, or says that it is ready and cannot answer */
async function comesUp({ order, waitMs }: Start, { cache, environment }: RowRun): Promise<void> {
  using models = chaosModels({ replicas: 0, copies: 1 });
  await using redis = await startRedis();
  await using cluster = await ProcessCluster.start({ cache, environment: () => environment });
  await Promise.all([redis.kill(), cluster.nats.kill()]);
  const flags = ["--models", models.folder, "--redis-url", redis.url];
  let url: Promise<string> | undefined;
  for (const [index, part] of order.entries()) {
    await passing(index === order.length - 1 ? waitMs : APART_MS);
    if (part === "nats") await cluster.nats.start();
    else if (part === "redis") await redis.start();
    else if (part === "agent") cluster.agent("node-1", ...flags);
    else {
      url = cluster.gateway("--model", "none", ...flags).url;
      url.catch(() => {}); // told when it is waited for
    }
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
