/** A broker that is away, and two gateways that place at once: neither is seen by clients. */
import { expect, test } from "vitest";
import { GREEDY } from "../../../core/model/sampling-parameters.ts";
import { LogBook } from "../../unit/node-agent/hosting-rig.ts";
import { POLITE, SimulatedClient } from "./simulated-client.ts";
import { type ClusterShape, MODEL, SimulatedCluster } from "./simulated-cluster.ts";

const SHAPE: ClusterShape = {
  agents: 2,
  gateways: 2,
  replicas: 1,
  stages: 2,
  slots: 4,
  contextLength: 100,
  decodeRowsMin: 1,
  nodesMin: 2,
  openMs: 10,
  journals: false,
};

async function readyCluster(): Promise<SimulatedCluster> {
  const cluster = new SimulatedCluster(SHAPE, { seed: 5n, logger: new LogBook().logger, audit: undefined });
  expect(await cluster.time.until(() => cluster.allReady, 10_000)).toBe(true);
  return cluster;
}

/** A request to each gateway. */
async function ask({ gateways, time }: SimulatedCluster): Promise<readonly SimulatedClient[]> {
  const clients = gateways.map(({ generation }, number) => {
    const violated = (what: string) => expect.unreachable(what);
    const request = {
      model: MODEL,
      tenant: "public",
      prompt: { kind: "ids", ids: [number, 2, 3] },
      choices: 1,
      tokensMax: 20,
      stop: [],
      sampling: GREEDY,
      deadlineMs: undefined,
      traceparent: "",
    } as const;
    const client = new SimulatedClient(`client ${number}`, request, {
      clock: time,
      contextLength: 100,
      mayBeLost: () => true,
      violated,
      manner: POLITE,
    });
    client.run(generation).catch((thrown: unknown) => violated(String(thrown)));
    return client;
  });
  expect(await time.until(() => clients.every(({ overMs }) => overMs !== undefined), 5_000)).toBe(true);
  return clients;
}

test("while the broker is away for a minute, nodes stay known and new requests are answered", async () => {
  const cluster = await readyCluster();
  cluster.broker.disconnect();
  await cluster.time.pass(60_000);
  expect(cluster.allReady).toBe(true);
  for (const client of await ask(cluster)) expect(client.error).toBe(undefined);
  expect(await cluster.stop()).toBe(true);
});

const epochOf = (cluster: SimulatedCluster): number => cluster.gateways[0]?.watch.fleet.replicas()[0]?.epoch ?? 0;

test("a stage that dies while the broker is away is connected again over the links", async () => {
  const cluster = await readyCluster();
  const before = epochOf(cluster);
  cluster.broker.disconnect();
  cluster.hub.runners.find(({ alive }) => alive)?.kill();
  expect(await cluster.time.until(() => epochOf(cluster) > before, 20_000)).toBe(true);
  expect(await cluster.time.until(() => cluster.allReady, 20_000)).toBe(true);
  for (const client of await ask(cluster)) expect(client.error).toBe(undefined);
  expect(await cluster.stop()).toBe(true);
});

test("a node that is stopped is known to be gone at once, also while the broker is away", async () => {
  const cluster = await readyCluster();
  cluster.broker.disconnect();
  const [agent] = cluster.agents;
  if (agent === undefined) throw new Error("there are two agents");
  cluster.restartAgent(agent, 5_000);
  expect(await cluster.time.until(() => cluster.gateways[0]?.watch.fleet.nodes().length === 1, 1_000)).toBe(true);
  expect(await cluster.stop()).toBe(true);
});

test("a gateway that takes placement over, or places beside another, leaves a replica alone that is connected", async () => {
  const cluster = await readyCluster();
  const before = epochOf(cluster);
  cluster.movePlacement();
  await cluster.time.pass(20_000);
  expect(epochOf(cluster)).toBe(before);
  const fence = cluster.gateways[0]?.watch.fleet.fence() ?? 0;
  cluster.gateways[0]?.place(fence);
  await cluster.time.pass(20_000);
  expect(epochOf(cluster)).toBe(before);
  cluster.hub.runners.find(({ alive }) => alive)?.kill();
  expect(await cluster.time.until(() => epochOf(cluster) > before, 20_000)).toBe(true);
  expect(await cluster.time.until(() => cluster.allReady, 20_000)).toBe(true);
  const after = epochOf(cluster);
  await cluster.time.pass(20_000);
  expect(epochOf(cluster)).toBe(after);
  expect(await cluster.stop()).toBe(true);
});
