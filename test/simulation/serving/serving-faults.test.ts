/** Many generations over a network that fails in every way, from a seed: each is answered once, in order, and nothing is left over. */
import { expect, test } from "vitest";
import { ServingError } from "../../../core/errors.ts";
import { type Random, seededRandom } from "../../../core/random.ts";
import { turns } from "../../support/fake-clock.ts";
import { type AgentGeneration, hashedId } from "../../unit/gateway/serving/hash-agent.ts";
import { MODEL, type Rig, type Run, servingRig } from "../../unit/gateway/serving/serving-rig.ts";

const SEEDS = [1n, 2n, 3n, 5n, 8n];
const STEPS = 160;
const AGENTS = 3;

interface Client {
  readonly run: Run;
  readonly abort: AbortController;
  readonly choices: number;
  readonly prompt: readonly number[];
}

/** A generation that an agent runs, with what it has said so far. */
interface Running {
  readonly generation: AgentGeneration;
  readonly said: number[][];
}

class Simulation {
  readonly #rig: Rig;
  readonly #random: Random;
  readonly clients: Client[] = [];
  readonly #running = new Map<AgentGeneration, Running>();

  constructor(rig: Rig, random: Random) {
    this.#rig = rig;
    this.#random = random;
  }

  #below(limit: number): number {
    return Math.floor(this.#random.next() * limit);
  }

  #start(): void {
    const abort = new AbortController();
    const choices = 1 + this.#below(3);
    const prompt = Array.from({ length: this.#below(10) === 0 ? 20_000 : 1 + this.#below(20) }, () => this.#below(256));
    const deadlineMs = this.#below(4) === 0 ? 500 + this.#below(3_000) : undefined;
    const run = this.#rig.start(
      { prompt: { kind: "ids", ids: prompt }, choices, tokensMax: 1 + this.#below(80), deadlineMs },
      abort.signal,
    );
    run.read();
    this.clients.push({ run, abort, choices, prompt });
  }

  /** Every agent makes tokens where it has credit. */
  generate(): void {
    for (const generation of this.#rig.agents.flatMap(({ generations }) => generations)) {
      if (generation.heard.some((word) => word !== "copy" && !word.startsWith("cancel"))) continue;
      const { choices, begun } = generation.submit;
      const said = Array.from({ length: choices }, (_, choice) => [...(begun[choice]?.outputIds ?? [])]);
      const running = this.#running.get(generation) ?? { generation, said };
      this.#running.set(generation, running);
      for (const [choice, said] of running.said.entries()) this.#say(running, choice, said);
    }
  }

  #say({ generation, said: all }: Running, choice: number, said: number[]): void {
    const { submit, stream } = generation;
    if (said.length === submit.tokensMax || stream.credit < 4) return;
    said.push(hashedId([...submit.promptIds.slice(0, 4), ...said], choice, 256));
    generation.tokens(said.slice(-1), choice);
    if (said.length === submit.tokensMax) generation.finish(choice, "length");
    if (all.every(({ length }) => length === submit.tokensMax)) stream.end();
  }

  #fault(): void {
    const { broker, links, agents } = this.#rig;
    const agent = agents[this.#below(AGENTS)];
    const address = agent?.address ?? "";
    const faults = [
      () => broker.drop(() => this.#random.next() < 0.3),
      () => broker.delay(this.#below(600)),
      () => broker.disconnect(),
      () => links.delay(this.#below(300)),
      () => links.disconnect(address),
      () => links.partition(address),
      () => {
        if (agent !== undefined) agent.policy = { kind: "refuse", reason: "draining" };
      },
      () => this.heal(),
    ];
    faults[this.#below(faults.length)]?.();
  }

  heal(): void {
    const { broker, links, agents } = this.#rig;
    broker.drop(() => false);
    broker.delay(0);
    broker.reconnect();
    links.delay(0);
    for (const agent of agents) {
      links.heal(agent.address);
      agent.policy = { kind: "accept" };
    }
  }

  async step(): Promise<void> {
    const dice = this.#random.next();
    if (dice < 0.3) this.#start();
    else if (dice < 0.36) this.clients[this.#below(this.clients.length)]?.abort.abort(new ServingError("CANCELLED", "the client is gone"));
    else if (dice < 0.5) this.#fault();
    this.generate();
    await this.#rig.clock.pass(this.#below(120));
    this.check();
  }

  /** What a client has is what the model says, from the first token on. */
  check(): void {
    for (const { run, prompt } of this.clients) {
      const told = new Map<number, number[]>();
      for (const event of run.events) {
        if (event.kind === "delta") told.set(event.choice, [...(told.get(event.choice) ?? []), ...event.tokens.map(({ id }) => id)]);
      }
      for (const [choice, ids] of told) {
        const model: number[] = [];
        while (model.length < ids.length) model.push(hashedId([...prompt.slice(0, 4), ...model], choice, 256));
        expect(ids).toEqual(model);
      }
      const finished = run.finished.map(({ choice }) => choice);
      expect(new Set(finished).size).toBe(finished.length);
    }
  }
}

test.each(SEEDS)("seed %s: every client gets the model's own tokens or one clear error, and nothing stays behind", async (seed) => {
  await using rig = await servingRig({ agents: AGENTS, contextLength: 30_000 });
  const simulation = new Simulation(rig, seededRandom(seed));
  for (let step = 0; step < STEPS; step++) await simulation.step();
  simulation.heal();
  for (let step = 0; step < 120; step++) {
    simulation.generate();
    await rig.clock.pass(100);
  }
  simulation.check();
  for (const { run, choices } of simulation.clients) {
    expect(run.done).toBe(true);
    if (run.error === undefined) expect(run.finished).toHaveLength(choices);
    else expect(run.error).toMatchObject({ code: expect.stringMatching(/^(UNAVAILABLE|CANCELLED|DEADLINE_EXCEEDED)$/) });
  }
  expect(simulation.clients.some(({ run }) => run.error === undefined)).toBe(true);
  await turns();
  expect(rig.agents.flatMap(({ generations }) => generations).filter(({ heard }) => heard.every((word) => word === "copy"))).toEqual([]);
  const ids = rig.agents.flatMap(({ generations }) => generations.map(({ submit }) => submit.generation));
  expect(await rig.metric(`nereid_generations_in_flight{model="${MODEL}"}`)).toBe(0);
  expect(ids.length).toBeGreaterThan(10);
  await rig.serving[Symbol.asyncDispose]();
  rig.links.disconnect();
  await turns();
  expect(rig.clock.pending).toBe(0);
});
