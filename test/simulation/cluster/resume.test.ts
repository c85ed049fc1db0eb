/** A gateway dies while it writes streams that their clients may come back for: what they get in the end is what nobody would have noticed. */
import { expect, test } from "vitest";
import { ServingError } from "../../../core/errors.ts";
import { GREEDY } from "../../../core/model/sampling-parameters.ts";
import type { TextEvent, TextRequest } from "../../../gateway/serving/generation/text-generation.ts";
import { scriptedTokens } from "../../support/scripted/scripted-stage.ts";
import { LogBook } from "../../unit/node-agent/hosting-rig.ts";
import { type PlantedBug, RESUME_BUGS } from "./planted-bugs.ts";
import { type ClusterShape, END_ID, MODEL, SimulatedCluster, VOCAB_SIZE } from "./simulated-cluster.ts";

const SHAPE: ClusterShape = {
  agents: 2,
  gateways: 2,
  replicas: 1,
  stages: 2,
  slots: 4,
  contextLength: 200,
  decodeRowsMin: 1,
  nodesMin: 2,
  openMs: 10,
  journals: false,
};
const PROMPT = [5, 2, 3];
const TOKENS = 60;

const REQUEST: TextRequest = {
  model: MODEL,
  tenant: "a",
  prompt: { kind: "ids", ids: PROMPT },
  choices: 2,
  tokensMax: TOKENS,
  stop: [],
  sampling: { ...GREEDY, seed: 4n },
  deadlineMs: undefined,
  traceparent: "",
  resumable: "the door's",
};

/** The second choice ends early. */
const wanted = [0, 1].map((choice) => {
  const ids = scriptedTokens(PROMPT, TOKENS, { seed: 4n, choice, vocabSize: VOCAB_SIZE });
  return ids.includes(END_ID) ? ids.slice(0, ids.indexOf(END_ID) + 1) : ids;
});

async function readyCluster(bug?: PlantedBug): Promise<SimulatedCluster> {
  const cluster = new SimulatedCluster(SHAPE, { seed: 5n, logger: new LogBook().logger, audit: undefined, bug });
  expect(await cluster.time.until(() => cluster.allReady, 10_000)).toBe(true);
  return cluster;
}

/** A client that keeps what is not marked as told, and where it is. */
class Reader {
  readonly ids: number[][] = [[], []];
  readonly told: number[] = [];
  ends = 0;
  generation = "";
  note: string | undefined;
  error: ServingError | undefined;
  over = false;

  read(events: AsyncIterable<TextEvent>): void {
    this.over = false;
    this.error = undefined;
    this.#read(events).catch((thrown: unknown) => {
      this.error = ServingError.from(thrown);
      this.over = true;
    });
  }

  get tokens(): number {
    return this.ids.flat().length;
  }

  async #read(events: AsyncIterable<TextEvent>): Promise<void> {
    for await (const event of events) {
      if (event.kind === "started") {
        this.generation = event.generation;
        this.note = event.resumable;
        continue;
      }
      if (event.told === true) continue;
      this.told[event.choice] = event.position;
      if (event.kind === "delta") this.ids[event.choice]?.push(...event.tokens.map(({ id }) => id));
      else this.ends += 1;
    }
    this.over = true;
  }
}

const never = new AbortController().signal;

/** A reader that has seen some of the stream at the first gateway. */
async function reading(cluster: SimulatedCluster): Promise<Reader> {
  const reader = new Reader();
  const [gateway] = cluster.gateways;
  if (gateway === undefined) throw new Error("there are gateways");
  reader.read(gateway.generation.generate(REQUEST, never));
  expect(await cluster.time.until(() => reader.tokens >= 20, 5_000)).toBe(true);
  return reader;
}

/** The same, and the gateway is gone. */
async function abandoned(cluster: SimulatedCluster): Promise<Reader> {
  const reader = await reading(cluster);
  cluster.restartGateway(0);
  expect(await cluster.time.until(() => reader.over, 1_000)).toBe(true);
  expect(reader.error?.code).toBe("UNAVAILABLE");
  return reader;
}

function resume(cluster: SimulatedCluster, reader: Reader, tenant = REQUEST.tenant, into = reader): void {
  const gateway = cluster.gateways[1];
  if (gateway === undefined) throw new Error("there are two gateways");
  const { generation, told } = reader;
  into.read(gateway.generation.resume({ generation, tenant, told: [...told], traceparent: "" }, never));
}

test.each([0, 200, 3_000, 29_000])("a client that comes back to another gateway after %i ms has every token once", async (afterMs) => {
  const cluster = await readyCluster();
  const reader = await abandoned(cluster);
  await cluster.time.pass(afterMs);
  resume(cluster, reader);
  expect(await cluster.time.until(() => reader.over, 5_000)).toBe(true);
  expect(reader).toMatchObject({ error: undefined, ids: wanted, ends: 2, note: "the door's" });
  expect(await cluster.stop()).toBe(true);
});

test("a client that nobody misses any more is told so, and what nobody reads is not computed for long", async () => {
  const cluster = await readyCluster();
  const reader = await abandoned(cluster);
  await cluster.time.pass(100_000);
  expect(cluster.busy).toBe(0);
  resume(cluster, reader);
  expect(await cluster.time.until(() => reader.over, 5_000)).toBe(true);
  expect(reader.error).toMatchObject({ code: "NOT_FOUND", reason: "generation_unknown" });
  expect(await cluster.stop()).toBe(true);
});

test("to another tenant the generation does not exist, and its owner reads on", async () => {
  const cluster = await readyCluster();
  const reader = await abandoned(cluster);
  const thief = new Reader();
  resume(cluster, reader, "b", thief);
  expect(await cluster.time.until(() => thief.over, 5_000)).toBe(true);
  expect(thief.error).toMatchObject({ code: "NOT_FOUND", reason: "generation_unknown" });
  expect(thief.tokens).toBe(0);
  resume(cluster, reader);
  expect(await cluster.time.until(() => reader.over, 5_000)).toBe(true);
  expect(reader).toMatchObject({ error: undefined, ids: wanted });
  expect(await cluster.stop()).toBe(true);
});

test("of two that come back for one stream the newer one has it, and the older one is told", async () => {
  const cluster = await readyCluster();
  const reader = await abandoned(cluster);
  const older = new Reader();
  resume(cluster, reader, REQUEST.tenant, older);
  await cluster.time.pass(100);
  resume(cluster, reader);
  expect(await cluster.time.until(() => reader.over && older.over, 5_000)).toBe(true);
  expect(older.error).toMatchObject({ code: "ABORTED", reason: "resumed_elsewhere" });
  expect(reader).toMatchObject({ error: undefined, ids: wanted, ends: 2 });
  expect(await cluster.stop()).toBe(true);
});

test("stages that die while nobody reads are made up for when the client is back", async () => {
  const cluster = await readyCluster();
  const reader = await abandoned(cluster);
  cluster.hub.runners.find(({ alive }) => alive)?.kill();
  await cluster.time.pass(300);
  resume(cluster, reader);
  expect(await cluster.time.until(() => reader.over, 40_000)).toBe(true);
  expect(reader).toMatchObject({ error: undefined, ids: wanted, ends: 2 });
  expect(await cluster.stop()).toBe(true);
});

test("a lead that dies while nobody reads has taken the stream along, and the client is told so", async () => {
  const cluster = await readyCluster();
  const reader = await abandoned(cluster);
  for (const agent of cluster.agents) cluster.restartAgent(agent, 100);
  await cluster.time.pass(1_000);
  resume(cluster, reader);
  expect(await cluster.time.until(() => reader.over, 5_000)).toBe(true);
  expect(reader.error).toMatchObject({ code: "DATA_LOSS", reason: "generation_lost" });
  expect(await cluster.stop()).toBe(true);
});

test("a lead that dies after the client has come back costs a pause: there are two copies again", async () => {
  const cluster = await readyCluster();
  const reader = await abandoned(cluster);
  resume(cluster, reader);
  await cluster.time.pass(100);
  for (const agent of cluster.agents) cluster.restartAgent(agent, 100);
  expect(await cluster.time.until(() => reader.over, 40_000)).toBe(true);
  expect(reader).toMatchObject({ error: undefined, ids: wanted, ends: 2 });
  expect(await cluster.stop()).toBe(true);
});

test("a link that is cut is dialed again, and the lead that has gone on meanwhile gives what was missed", async () => {
  const cluster = await readyCluster();
  const reader = await reading(cluster);
  for (const { address } of cluster.agents) cluster.links.disconnect(address);
  expect(await cluster.time.until(() => reader.over, 5_000)).toBe(true);
  expect(reader).toMatchObject({ error: undefined, ids: wanted, ends: 2 });
  const moved = await cluster.metrics.metricsText();
  expect(moved).not.toMatch(/^nereid_generations_moved_total\{.* [1-9]/m);
  expect(await cluster.stop()).toBe(true);
});

test("while the store is away streams are served, and nobody is told that they can be resumed", async () => {
  const cluster = await readyCluster();
  cluster.generations.records.setAway(true);
  const reader = await reading(cluster);
  expect(await cluster.time.until(() => reader.over, 5_000)).toBe(true);
  expect(reader).toMatchObject({ error: undefined, ids: wanted, ends: 2, note: undefined });
  expect(await cluster.stop()).toBe(true);
});

/** Whether a thief gets nothing and the owner everything once. */
async function holds(bug: PlantedBug | undefined): Promise<boolean> {
  const cluster = await readyCluster(bug);
  const reader = await abandoned(cluster);
  const thief = new Reader();
  resume(cluster, reader, "b", thief);
  await cluster.time.until(() => thief.over, 5_000);
  resume(cluster, reader);
  await cluster.time.until(() => reader.over, 5_000);
  await cluster.stop();
  return thief.tokens === 0 && reader.error === undefined && JSON.stringify(reader.ids) === JSON.stringify(wanted);
}

test.each([undefined, ...RESUME_BUGS])("a cluster that $name is found out, and one without a bug passes", async (bug) => {
  expect(await holds(bug)).toBe(bug === undefined);
});
