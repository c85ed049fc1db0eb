/** P17: every process is stopped and started again, one after the other, and once more, under load. */
import { ended } from "../../support/process-cluster.ts";
import { ChaosCluster } from "../chaos-cluster.ts";
import { startLoad } from "../load.ts";
import { askLanguage, askStateless } from "../questions.ts";
import { watchGateways } from "../ready-gateways.ts";
import type { Row } from "../row.ts";

const ROUNDS = 2;
/** Between two restarts, so that each meets load. */
const ANSWERS = 20;

export const rollingRestart: Row = {
  promise: "P17",
  name: "rolling-restart",
  about:
    "SIGTERM and start of both agents and both gateways, kill -9 of NATS and Redis, one after the other, twice, under load: no request fails",
  protection: "the drain: gateways and agents are killed",
  run: async (run) => {
    const { kills: rounds = ROUNDS } = run;
    const signal = run.protected ? "SIGTERM" : "SIGKILL";
    await using cluster = await ChaosCluster.start(run, { nodes: 2, gateways: 2, replicas: 2, copies: 2, redis: "" });
    const gateways = await watchGateways(cluster);
    const loads = [startLoad(2, askStateless(gateways.where)), startLoad(2, await askLanguage(gateways.where))];
    const more = () => Promise.all(loads.map((load) => load.more(ANSWERS)));
    const codes: (number | null)[] = [];
    for (let round = 0; round < rounds; round++) {
      for (const node of cluster.agents.keys()) {
        codes.push((await ended(cluster.agent(node), signal)).code);
        cluster.startAgent(node);
        await cluster.ready();
        await more();
      }
      for (const [index, { process }] of [...cluster.gateways.entries()]) {
        codes.push((await ended(process, signal)).code);
        cluster.startGateway(index);
        await cluster.ready();
        await more();
      }
      for (const server of [cluster.nats, cluster.redis]) {
        await server.kill();
        await server.start();
        await more();
      }
    }
    const reports = await Promise.all(loads.map((load) => load.end()));
    await gateways.end();
    const [answered, failed] = [reports.reduce((sum, one) => sum + one.answered, 0), reports.reduce((sum, one) => sum + one.failed, 0)];
    return {
      holds: failed === 0 && codes.every((code) => code === 0),
      figures: { n: codes.length + 2 * rounds, requests: answered, failed, limit: 0, exits: codes.join(",") },
      errors: reports.flatMap(({ errors }) => errors),
    };
  },
};
