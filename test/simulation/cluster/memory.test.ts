/** What requests leave in memory, seen by the heap itself: nothing, whatever became of them. */
import { queryObjects } from "node:v8";
import { expect, test } from "vitest";
import { MultiplexedStream } from "../../../core/link/multiplexed-stream.ts";
import { Multiplexer } from "../../../core/link/multiplexer.ts";
import { GREEDY } from "../../../core/model/sampling-parameters.ts";
import { AnswerStream } from "../../../gateway/serving/answer-stream.ts";
import { ChoiceFold } from "../../../gateway/serving/generation/choice-fold.ts";
import type { TextRequest } from "../../../gateway/serving/generation/text-generation.ts";
import { AnswerWriter } from "../../../node-agent/answer-writer.ts";
import { GenerationEngine } from "../../../node-agent/engines/generation-engine.ts";
import { LogBook } from "../../unit/node-agent/hosting-rig.ts";
import { POLITE, SimulatedClient } from "./simulated-client.ts";
import { type ClusterShape, MODEL, SimulatedCluster } from "./simulated-cluster.ts";

const SHAPE: ClusterShape = {
  agents: 2,
  gateways: 2,
  replicas: 2,
  stages: 2,
  slots: 4,
  contextLength: 100,
  decodeRowsMin: 1,
  nodesMin: 2,
  openMs: 10,
  journals: false,
};

const request = (number: number): TextRequest => ({
  model: MODEL,
  tenant: "public",
  prompt: { kind: "ids", ids: [number % 256, 2, 3] },
  choices: 1 + (number % 3),
  tokensMax: 1 + (number % 30),
  stop: number % 4 === 0 ? ["e", "n"] : [],
  sampling: GREEDY,
  deadlineMs: number % 7 === 0 ? 100 : undefined,
  traceparent: "",
});

/** Requests that finish, are canceled, left, refused and lost, on links that are cut now and then. */
async function serveMany(cluster: SimulatedCluster): Promise<readonly string[]> {
  const { time, gateways, links, hub } = cluster;
  const violations: string[] = [];
  const options = {
    clock: time,
    contextLength: SHAPE.contextLength,
    mayBeLost: () => true,
    violated: (what: string) => violations.push(what),
  };
  const clients: SimulatedClient[] = [];
  for (let number = 0; number < 150; number++) {
    const leaveAfterEvents = number % 11 === 0 ? 2 : undefined;
    const cancelAfterMs = number % 5 === 0 ? 60 : undefined;
    const client = new SimulatedClient(`client ${number}`, request(number), {
      ...options,
      manner: { ...POLITE, leaveAfterEvents, cancelAfterMs },
    });
    const gateway = gateways[number % gateways.length];
    if (gateway !== undefined) client.run(gateway.generation).catch((thrown) => violations.push(String(thrown)));
    clients.push(client);
    if (number % 40 === 39) links.disconnect();
    if (number === 90) hub.runners.find(({ alive }) => alive)?.kill();
    await time.pass(number % 3 === 0 ? 60 : 0);
  }
  const isOver = await time.until(() => clients.every(({ overMs }) => overMs !== undefined), 30_000);
  if (!isOver) violations.push("not every request is over");
  await time.until(() => cluster.busy === 0 && cluster.allReady, 30_000);
  return violations;
}

const counts = () => {
  const kinds = { AnswerStream, ChoiceFold, AnswerWriter, MultiplexedStream, Multiplexer, GenerationEngine };
  return Object.fromEntries(Object.entries(kinds).map(([name, kind]) => [name, queryObjects(kind)]));
};

test("a hundred and fifty requests leave no stream, no fold and no writer in memory; what stays is a link to each node with its heartbeats", async () => {
  const cluster = new SimulatedCluster(SHAPE, { seed: 3n, logger: new LogBook().logger, audit: undefined });
  expect(await cluster.time.until(() => cluster.allReady, 5_000)).toBe(true);
  expect(await serveMany(cluster)).toEqual([]);
  const links = SHAPE.gateways * SHAPE.agents;
  expect(counts()).toEqual({
    AnswerStream: links, // the heartbeats
    ChoiceFold: 0,
    AnswerWriter: 0,
    MultiplexedStream: 2 * links,
    Multiplexer: 2 * links,
    GenerationEngine: SHAPE.replicas,
  });
  expect(await cluster.stop()).toBe(true);
}, 60_000);
