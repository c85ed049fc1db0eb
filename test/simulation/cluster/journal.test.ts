/** The gateway and the lead of a stream die at once: what goes on is what their journal says, token for token. */
import { expect, test } from "vitest";
import { GREEDY } from "../../../core/model/sampling-parameters.ts";
import type { TextRequest } from "../../../gateway/serving/generation/text-generation.ts";
import { LogBook } from "../../unit/node-agent/hosting-rig.ts";
import { UNFENCED } from "./journal-bugs.ts";
import type { PlantedBug } from "./planted-bugs.ts";
import type { SimulatedAgent } from "./simulated-agent.ts";
import { POLITE, SimulatedClient } from "./simulated-client.ts";
import { type ClusterShape, MODEL, SimulatedCluster } from "./simulated-cluster.ts";

const SHAPE: ClusterShape = {
  agents: 2,
  gateways: 2,
  replicas: 2,
  stages: 1,
  slots: 4,
  contextLength: 290,
  decodeRowsMin: 1,
  nodesMin: 2,
  openMs: 10,
  journals: true,
};

/** Runs for some three seconds, and ends by its length. */
const REQUEST: TextRequest = {
  model: MODEL,
  tenant: "a",
  prompt: { kind: "ids", ids: [5, 2, 3] },
  choices: 1,
  tokensMax: undefined,
  stop: [],
  sampling: { ...GREEDY, seed: 4n },
  deadlineMs: undefined,
  traceparent: "",
  resumable: "the door's",
};

interface Streaming {
  readonly cluster: SimulatedCluster;
  readonly client: SimulatedClient;
  readonly lead: SimulatedAgent;
  readonly other: SimulatedAgent;
  readonly violations: readonly string[];
}

/** A client that has some tokens of a journaled stream. */
async function streaming(bug?: PlantedBug): Promise<Streaming> {
  const cluster = new SimulatedCluster(SHAPE, { seed: 5n, logger: new LogBook().logger, audit: undefined, bug });
  expect(await cluster.time.until(() => cluster.allReady, 10_000)).toBe(true);
  const violations: string[] = [];
  const client = new SimulatedClient("the client", REQUEST, {
    manner: POLITE,
    clock: cluster.time,
    contextLength: SHAPE.contextLength,
    mayBeLost: () => false,
    violated: (what) => violations.push(what),
  });
  const present = () => {
    const [gateway] = cluster.gateways;
    if (gateway === undefined) throw new Error("there are gateways");
    return gateway.generation;
  };
  client.run(present(), present).catch((thrown: unknown) => violations.push(String(thrown)));
  expect(await cluster.time.until(() => client.tokens >= 20 && cluster.busy > 0, 5_000)).toBe(true);
  const leads = new Set(
    cluster.gateways[0]?.watch.fleet
      .replicas()
      .filter(({ busySlots }) => busySlots > 0)
      .map(({ node }) => node),
  );
  const lead = cluster.agents.find(({ node }) => leads.has(node));
  const other = cluster.agents.find((agent) => agent !== lead);
  if (lead === undefined || other === undefined) throw new Error("one node of two leads it");
  return { cluster, client, lead, other, violations };
}

async function expectWhole({ cluster, client, violations }: Streaming): Promise<void> {
  expect(await cluster.time.until(() => client.overMs !== undefined, 60_000)).toBe(true);
  expect({ complete: client.complete, error: client.error, violations }).toEqual({ complete: true, error: undefined, violations: [] });
  expect(await cluster.stop()).toBe(true);
}

test("a stream goes on after all gateways and all agents have gone at once, and does so again", async () => {
  const stream = await streaming();
  for (let deaths = 0; deaths < 3; deaths++) {
    const { tokens } = stream.client;
    stream.cluster.losePower(stream.cluster.agents, 100);
    expect(await stream.cluster.time.until(() => stream.client.tokens > tokens + 10, 30_000)).toBe(true);
  }
  await expectWhole(stream);
});

test("a store that has lost a journal gets all of it again", async () => {
  const stream = await streaming();
  stream.cluster.journals.records.wipe();
  await stream.cluster.time.pass(600);
  stream.cluster.losePower([stream.lead], 100);
  await expectWhole(stream);
});

test("a journal that could not be begun has all that came meanwhile once the store is back", async () => {
  const stream = await streaming();
  stream.cluster.journals.records.wipe();
  stream.cluster.journals.records.setAway(true);
  await stream.cluster.time.pass(1_000);
  stream.cluster.journals.records.setAway(false);
  await stream.cluster.time.pass(600);
  stream.cluster.losePower([stream.lead], 100);
  await expectWhole(stream);
});

/** The lead is cut off and runs on; its successor dies with the gateways before both are done. */
async function successorLost(bug?: PlantedBug): Promise<Streaming> {
  const stream = await streaming(bug);
  const { cluster, client, lead, other } = stream;
  const { address } = lead;
  cluster.links.partition(address);
  const { tokens } = client;
  expect(await cluster.time.until(() => client.tokens > tokens + 20, 10_000)).toBe(true);
  await cluster.time.pass(1_000); // four entries of each
  cluster.losePower([other], 100);
  cluster.links.heal(address);
  return stream;
}

test("a lead that was replaced and writes on does no harm to its successor's journal", async () => {
  await expectWhole(await successorLost());
});

test("a cluster that lets a lead that was replaced write on is found out", async () => {
  const { cluster, client, violations } = await successorLost(UNFENCED);
  await cluster.time.until(() => client.overMs !== undefined, 60_000);
  expect(violations).not.toEqual([]);
  expect(await cluster.stop()).toBe(true);
});
