/**
 * One simulation: a cluster, a workload and faults, all drawn from a seed. Throws at the first promise that is broken: a token
 * that is not the model's own, a request that hangs or fails without a clear error, a cluster that does not heal, something
 * left behind.
 */
import type { Logger } from "../../../core/telemetry/logger.ts";
import { Dice } from "./dice.ts";
import { Faults } from "./faults.ts";
import { drawManner, drawRequest, POLITE, SimulatedClient } from "./simulated-client.ts";
import { drawShape, SimulatedCluster } from "./simulated-cluster.ts";
import type { VirtualTime } from "./virtual-time.ts";

/** A cluster that nothing disturbs serves after this. */
const READY_MS_MAX = 15_000;
/** Silence and steps that hang have been noticed so long after the last fault. */
const NOTICED_MS = 12_000;
/** A cluster that has noticed all that went wrong serves after this. */
const HEALED_MS_MAX = 30_000;
/** A client that reads has its answer after this, whatever goes wrong. */
const ANSWER_MS_MAX = 60_000;
/** Slots are free so long after the last client has gone. */
const FREE_MS_MAX = 2_500;

export interface SimulationReport {
  readonly requests: number;
  readonly complete: number;
  readonly failed: number;
  readonly left: number;
  readonly tokens: number;
  readonly faults: number;
  readonly virtualMs: number;
  readonly timers: number;
}

/** Takes the events of a run, a line each. */
export type Narrator = (line: string) => void;

/** @throws Error that says which promise is broken, and what led to it when nobody listens to `narrate`. */
export async function simulate(seed: bigint, narrate: Narrator = () => {}): Promise<SimulationReport> {
  const simulation = new Simulation(seed, narrate);
  const report = await simulation.run();
  return report;
}

class Simulation {
  readonly #dice: Dice;
  readonly #cluster: SimulatedCluster;
  readonly #faults: Faults;
  readonly #time: VirtualTime;
  readonly #clients: SimulatedClient[] = [];
  readonly #narrate: Narrator;
  #violations: string[] = [];
  #strikes = 0;

  constructor(seed: bigint, narrate: Narrator) {
    this.#dice = new Dice(seed);
    this.#narrate = (line) => narrate(`${this.#time.now().toFixed(0).padStart(7)} ms  ${line}`);
    const shape = drawShape(this.#dice);
    this.#cluster = new SimulatedCluster(
      shape,
      this.#dice.seed(),
      narratingLogger((line) => this.#narrate(line)),
    );
    this.#time = this.#cluster.time;
    this.#faults = new Faults(this.#cluster, this.#dice);
    this.#narrate(JSON.stringify(shape));
  }

  async run(): Promise<SimulationReport> {
    const stopWatching = this.#watchProcess();
    try {
      const calm = this.#dice.happens(0.2);
      if (calm || this.#dice.happens(0.7)) await this.#become(() => this.#cluster.allReady, READY_MS_MAX, "the cluster is ready");
      const actions = this.#dice.whole(10, 40);
      for (let action = 0; action < actions; action++) await this.#act(calm);
      this.#faults.heal();
      this.#narrate("all is healed");
      await this.#become(() => this.#cluster.still, READY_MS_MAX, "agents and gateways are back");
      const healedMs = this.#time.now();
      await this.#become(() => calm || this.#time.now() - healedMs >= NOTICED_MS, NOTICED_MS, "what is broken has been noticed");
      await this.#become(() => this.#cluster.allReady, HEALED_MS_MAX, "the cluster is ready again");
      await this.#become(() => this.#clients.every(({ overMs }) => overMs !== undefined), ANSWER_MS_MAX, "every request is over");
      await this.#probe();
      if (calm) this.#judgeCalm();
      await this.#atRest();
      return this.#report();
    } finally {
      stopWatching();
    }
  }

  async #act(calm: boolean): Promise<void> {
    if (this.#dice.happens(calm ? 0.85 : 0.55)) this.#ask();
    else if (this.#dice.happens(0.3)) this.#cancelOne();
    else if (!calm) {
      this.#strikes += 1;
      this.#narrate(`FAULT ${this.#faults.strike()}`);
    }
    await this.#pass(this.#dice.happens(0.1) ? this.#dice.whole(500, 3_000) : this.#dice.whole(0, 250));
  }

  #ask(): void {
    const { shape, gateways } = this.#cluster;
    const gateway = this.#dice.whole(0, gateways.length - 1);
    const request = drawRequest(this.#dice, shape);
    const client = this.#client(`client ${this.#clients.length}`, request, drawManner(this.#dice));
    const { choices, tokensMax = "all", prompt, deadlineMs } = request;
    const promptTokens = prompt.kind === "ids" ? prompt.ids.length : 0;
    this.#narrate(`${client.name} asks gateway ${gateway} for ${choices} x ${tokensMax} after ${promptTokens}, ${deadlineMs ?? "no"} ms`);
    this.#start(client, gateway);
  }

  #client(name: string, request: SimulatedClient["request"], manner: SimulatedClient["manner"]): SimulatedClient {
    const { contextLength } = this.#cluster.shape;
    const client = new SimulatedClient(name, request, {
      manner,
      contextLength,
      clock: this.#time,
      violated: (what) => this.#violated(what),
    });
    this.#clients.push(client);
    return client;
  }

  #start(client: SimulatedClient, index: number): void {
    const gateway = this.#cluster.gateways[index];
    if (gateway === undefined) throw new Error(`there is no gateway ${index}`);
    client.run(gateway.generation).then(
      () =>
        this.#narrate(
          `${client.name} is over with ${client.tokens} tokens${client.error === undefined ? "" : `: ${client.error.message}`}`,
        ),
      (thrown: unknown) => this.#violated(String(thrown)),
    );
  }

  #cancelOne(): void {
    const client = this.#dice.pick(this.#clients.filter(({ overMs }) => overMs === undefined));
    if (client === undefined) return;
    this.#narrate(`${client.name} cancels`);
    client.cancel();
  }

  /** A cluster that says that it is ready serves, on every gateway. */
  async #probe(): Promise<void> {
    for (const index of this.#cluster.gateways.keys()) {
      const request = { ...drawRequest(this.#dice, this.#cluster.shape), deadlineMs: undefined };
      const probe = this.#client(`probe of gateway ${index}`, request, POLITE);
      this.#start(probe, index);
      await this.#become(() => probe.overMs !== undefined, ANSWER_MS_MAX, "a probe is answered");
      if (!probe.complete) this.#fail(`${probe.name} failed in a healthy cluster: ${probe.error?.message}`);
    }
  }

  /** Where nothing goes wrong, nobody hears of lost shards. */
  #judgeCalm(): void {
    for (const { name, error, manner } of this.#clients) {
      const cutOff = manner.rest !== undefined && manner.rest.forMs > 30_000;
      if (error?.code === "UNAVAILABLE" && !cutOff) this.#fail(`${name} failed in a calm cluster: ${error.message}`);
    }
  }

  async #atRest(): Promise<void> {
    const cluster = this.#cluster;
    await this.#become(() => cluster.busy === 0, FREE_MS_MAX, "all slots are free");
    for (const [index, gateway] of cluster.gateways.entries())
      if (gateway.inFlight !== 0) this.#fail(`gateway ${index} counts ${gateway.inFlight} requests that are over`);
    if (!(await cluster.stop())) this.#fail("not everything stops");
    await this.#time.pass(0);
    if (this.#time.pending !== 0) this.#fail(`${this.#time.pending} timers are left behind`);
    const alive = cluster.hub.runners.filter((runner) => runner.alive);
    if (alive.length > 0) this.#fail(`runners are left behind: ${alive.map(({ incarnation }) => incarnation).join()}`);
    this.#check();
  }

  async #become(condition: () => boolean, limitMs: number, what: string): Promise<void> {
    const beganMs = this.#time.now();
    while (!condition()) {
      if (this.#time.now() - beganMs > limitMs) this.#fail(`after ${limitMs} ms it does not hold that ${what}`);
      await this.#pass(50);
    }
    this.#narrate(`${what}, after ${(this.#time.now() - beganMs).toFixed(0)} ms`);
  }

  async #pass(byMs: number): Promise<void> {
    await this.#time.pass(byMs);
    this.#check();
  }

  #check(): void {
    const [broken] = [...this.#violations, ...this.#cluster.hub.violations];
    if (broken !== undefined) this.#fail(broken);
    const nowMs = this.#time.now();
    for (const { name, overMs, startedMs, attentive } of this.#clients)
      if (attentive && overMs === undefined && nowMs - startedMs > ANSWER_MS_MAX)
        this.#fail(`${name} has no answer after ${ANSWER_MS_MAX} ms`);
  }

  #violated(what: string): void {
    this.#narrate(`VIOLATION ${what}`);
    this.#violations.push(what);
  }

  #fail(what: string): never {
    this.#narrate(`FAILED ${what}`);
    throw new Error(`${what} (at ${this.#time.now().toFixed(0)} ms)`);
  }

  #report(): SimulationReport {
    const clients = this.#clients;
    return {
      requests: clients.length,
      complete: clients.filter(({ complete }) => complete).length,
      failed: clients.filter(({ error, left }) => error !== undefined && !left).length,
      left: clients.filter(({ left }) => left).length,
      tokens: clients.reduce((sum, { tokens }) => sum + tokens, 0),
      faults: this.#strikes,
      virtualMs: this.#time.now(),
      timers: this.#time.fired,
    };
  }

  /** What nobody catches would end a real process. */
  #watchProcess(): () => void {
    const uncaught = (thrown: unknown) => this.#violated(`nobody caught ${thrown instanceof Error ? thrown.stack : String(thrown)}`);
    process.on("uncaughtException", uncaught);
    process.on("unhandledRejection", uncaught);
    return () => {
      process.off("uncaughtException", uncaught);
      process.off("unhandledRejection", uncaught);
    };
  }
}

function narratingLogger(narrate: Narrator): Logger {
  const tell = (level: string) => (fields: Readonly<Record<string, unknown>>, message: string) => {
    const { err, ...rest } = fields;
    narrate(`${level} ${message} ${JSON.stringify(rest)}${err instanceof Error ? ` ${err.message}` : ""}`);
  };
  const logger: Logger = { debug: tell("debug"), info: tell("info"), warn: tell("warn"), error: tell("error"), child: () => logger };
  return logger;
}
