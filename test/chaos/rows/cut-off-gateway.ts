/** P5: NATS is killed and the links to all nodes are gone as well: the gateway reaches nobody. */
import { systemClock } from "../../../core/clock.ts";
import { post } from "../../cluster/completion-client.ts";
import { isReady } from "../../support/process-cluster.ts";
import { ChaosCluster } from "../chaos-cluster.ts";
import { LANGUAGE } from "../chaos-models.ts";
import { percentile } from "../load.ts";
import { passing } from "../passing.ts";
import { askLanguage, askStateless, STATELESS_REQUEST } from "../questions.ts";
import type { Row } from "../row.ts";
import { untilHolds } from "../until-holds.ts";

/** Longer than outages that requests wait out. */
const AWAY_MS = 8_000;
const ASKED = 20;
const [REFUSED_MS_MAX, UNREADY_MS_MAX, GOOD_MS_MAX] = [100, 1_000, 2_000];
/** A question that is not refused at once is not waited for. */
const PATIENCE_MS = 5_000;
const SILENT = { there: { silent: true }, back: { silent: true } };

export const cutOffGateway: Row = {
  promise: "P05",
  name: "nats-and-links-away",
  about: `kill -9 of NATS and all links reset for ${AWAY_MS / 1_000} s: the gateway says that it is not ready, refuses at once with Retry-After, and recovers alone`,
  protection: "the refusal: requests wait for nodes that cannot be reached",
  mutations: [{ file: "gateway/control/cluster-reach.ts", find: "CUT_OFF_MS = 5_000", replace: "CUT_OFF_MS = 60_000" }],
  run: async (run) => {
    await using cluster = await ChaosCluster.start(run, { nodes: 2, replicas: 1, copies: 2, proxied: true });
    const { url, proxies } = cluster;
    const asks = [askStateless(() => url), await askLanguage(() => url)];
    await cluster.nats.kill();
    for (const proxy of proxies.nodes.values()) {
      await proxy.set("link", SILENT);
      await proxy.cut("link");
    }
    const unreadyMs = await took(() => untilHolds(async () => !(await isReady(url))));
    await passing(AWAY_MS - unreadyMs);
    const refusals = [];
    for (let asked = 0; asked < ASKED; asked++) refusals.push(await refused(url, asked % 2 === 0));
    for (const proxy of proxies.nodes.values()) await proxy.set("link", {});
    await cluster.nats.start();
    const goodMs = await took(async () => {
      for (const ask of asks) await untilHolds(() => isAnswered(ask));
      await untilHolds(() => isReady(url));
    });
    const wrong = refusals.filter(({ status, retryAfter }) => status !== 503 || retryAfter === null);
    const tookMs = refusals.map(({ ms }) => ms).toSorted((a, b) => a - b);
    const refusedMs = percentile(tookMs, 1 - 1 / ASKED);
    return {
      holds: wrong.length === 0,
      inTime: refusedMs <= REFUSED_MS_MAX && unreadyMs <= UNREADY_MS_MAX && goodMs <= GOOD_MS_MAX,
      figures: {
        n: 1,
        refused: `${refusals.length - wrong.length}/${refusals.length}`,
        refused_ms: refusedMs,
        refused_limit: REFUSED_MS_MAX,
        unready_ms: unreadyMs,
        unready_limit: UNREADY_MS_MAX,
        good_ms: goodMs,
        good_limit: GOOD_MS_MAX,
      },
      errors: wrong.map(({ status, text }) => `${status} ${text}`),
    };
  },
};

async function took(work: () => Promise<unknown>): Promise<number> {
  const startMs = systemClock.now();
  await work();
  return Math.round(systemClock.now() - startMs);
}

/** How the gateway refused a question; 599 when it did not within PATIENCE_MS. */
async function refused(url: string, isLanguage: boolean) {
  const startMs = systemClock.now();
  const signal = AbortSignal.timeout(PATIENCE_MS);
  const asked = isLanguage
    ? post(url, "/v1/completions", { model: LANGUAGE, prompt: "The", max_tokens: 1 }, { signal })
    : post(url, STATELESS_REQUEST.path, STATELESS_REQUEST.body, { signal });
  const answer = await asked.catch((thrown: unknown) => new Response(String(thrown), { status: 599 }));
  const text = await answer.text();
  return { status: answer.status, retryAfter: answer.headers.get("retry-after"), text, ms: systemClock.now() - startMs };
}

function isAnswered(ask: (client: number) => Promise<void>): Promise<boolean> {
  return ask(0).then(
    () => true,
    () => false,
  );
}
