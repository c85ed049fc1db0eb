/**
 * One simulation: a cluster, a workload and faults, all drawn from a seed. Throws at the first promise that is broken: a token
 * that is not the model's own, a request that hangs or fails without a clear error, a cluster that does not heal, something
 * left behind.
 */
import type { Heartbeat } from "../../../core/messages/heartbeat.ts";
import type { Logger } from "../../../core/telemetry/logger.ts";
import type { TextRequest } from "../../../gateway/serving/generation/text-generation.ts";
import { Dice } from "./dice.ts";
import { Faults } from "./faults.ts";
import type { PlantedBug } from "./planted-bugs.ts";
import { drawManner, drawRequest, type Manner, POLITE, promptIdsOf, SimulatedClient } from "./simulated-client.ts";
import { drawShape, SimulatedCluster } from "./simulated-cluster.ts";
import type { VirtualTime } from "./virtual-time.ts";
import { drawWeather, type Weather } from "./weather.ts";

/** A cluster that nothing disturbs serves so long after its runners are open. */
const READY_MS_MAX = 400;
/** Agents and gateways that go are back after this. */
const BACK_MS_MAX = 8_000;
/** Silence has been noticed so long after the last fault, and a step that hangs, whatever it was expected to take. */
const NOTICED_MS = { usual: 12_000, hanging: 62_000 };
/** A cluster that has noticed all that went wrong serves after this. */
const HEALED_MS_MAX = 30_000;
/** A client that reads has its answer after this, whatever goes wrong. */
const ANSWER_MS_MAX = 70_000;
/** Gateways see that all slots are free so long after the last client has gone. */
const FREE_MS_MAX = 2_500;
/** Where links work, a slot is free so long after its client has all that it wants. */
const FREED_MS = 1;
/** A client that does not read is cut off after 30 s, and one that has left a resumable stream is waited for as long. */
const UNREAD_MS_MAX = 31_000;

export interface SimulationReport {
  readonly weather: Weather;
  readonly requests: number;
  readonly complete: number;
  readonly failed: number;
  readonly left: number;
  /** Streams that were taken up again. */
  readonly resumed: number;
  readonly tokens: number;
  readonly faults: number;
  readonly virtualMs: number;
  readonly timers: number;
}

/** Takes the events of a run, a line each. */
export type Narrator = (line: string) => void;

/** @throws Error that says which promise is broken. */
export async function simulate(seed: bigint, narrate: Narrator = () => {}, bug?: PlantedBug): Promise<SimulationReport> {
  return await new Simulation(seed, narrate, bug).run();
}

class Simulation {
  readonly #dice: Dice;
  readonly #weather: Weather;
  readonly #cluster: SimulatedCluster;
  readonly #faults: Faults;
  readonly #time: VirtualTime;
  readonly #clients: SimulatedClient[] = [];
  readonly #violations: string[] = [];
  readonly #narrate: Narrator;
  #strikes = 0;
  #served = false;

  constructor(seed: bigint, narrate: Narrator, bug: PlantedBug | undefined) {
    this.#dice = new Dice(seed);
    this.#weather = drawWeather(this.#dice);
    const shape = drawShape(this.#dice, this.#weather);
    this.#narrate = (line) => narrate(`${this.#time.now().toFixed(0).padStart(7)} ms  ${line}`);
    const linksWork = this.#weather === "calm" || this.#weather === "lossy";
    this.#cluster = new SimulatedCluster(shape, {
      seed: this.#dice.seed(),
      logger: narratingLogger(this.#narrate),
      audit: linksWork ? (heartbeat) => this.#audit(heartbeat) : undefined,
      bug,
    });
    this.#time = this.#cluster.time;
    this.#faults = new Faults(this.#cluster, this.#dice, this.#weather);
    this.#narrate(`${this.#weather} ${JSON.stringify(shape)}`);
  }

  async run(): Promise<SimulationReport> {
    const stopWatching = this.#watchProcess();
    try {
      const { shape } = this.#cluster;
      const isFromReady = this.#weather !== "storm" || this.#dice.happens(0.7);
      if (isFromReady) await this.#become(() => this.#cluster.allReady, shape.openMs + READY_MS_MAX, "the cluster is ready");
      this.#served = true;
      for (let actions = this.#dice.whole(10, 40); actions > 0; actions--) await this.#act();
      await this.#heal();
      await this.#become(
        () => this.#clients.every(({ overMs, asleep }) => asleep || overMs !== undefined),
        ANSWER_MS_MAX,
        "all is answered",
      );
      await this.#probe();
      await this.#rest();
      await this.#stop();
      return this.#report();
    } finally {
      stopWatching();
    }
  }

  async #act(): Promise<void> {
    const calm = this.#weather === "calm";
    if (this.#dice.happens(calm ? 0.85 : 0.55)) this.#ask();
    else if (calm || this.#dice.happens(0.3)) this.#cancelOne();
    else for (let strikes = this.#dice.happens(0.3) ? 2 : 1; strikes > 0; strikes--) this.#strike();
    await this.#pass(this.#dice.happens(0.1) ? this.#dice.whole(500, 3_000) : this.#dice.whole(0, 250));
  }

  #strike(): void {
    this.#strikes += 1;
    this.#narrate(`FAULT ${this.#faults.strike()}`);
  }

  #ask(): void {
    const { shape, gateways } = this.#cluster;
    const index = this.#dice.whole(0, gateways.length - 1);
    const asked = drawRequest(this.#dice, shape);
    const isResumable = this.#weather === "storm" && this.#dice.happens(0.6);
    const tokensMax = this.#dice.happens(0.15) ? undefined : asked.tokensMax; // long enough to lose its gateway and its lead
    const request = isResumable ? { ...asked, tokensMax, deadlineMs: undefined, resumable: "a note" } : asked;
    const manner = drawManner(this.#dice);
    const client = this.#start(`client ${this.#clients.length}`, index, request, isResumable ? POLITE : manner);
    const { choices, deadlineMs = "no" } = request;
    const promptTokens = promptIdsOf(request).length;
    this.#narrate(
      `${client.name} asks gateway ${index} for ${choices} x ${request.tokensMax ?? "all"} after ${promptTokens}, ${deadlineMs} ms`,
    );
  }

  #start(name: string, index: number, request: TextRequest, manner: Manner): SimulatedClient {
    const gateway = this.#cluster.gateways[index];
    if (gateway === undefined) throw new Error(`there is no gateway ${index}`);
    const { contextLength, journals } = this.#cluster.shape;
    const startedMs = this.#time.now();
    const mayBeLost = () => !journals || this.#cluster.storesTroubledMs >= startedMs;
    const violated = (what: string) => this.#violated(what);
    const client = new SimulatedClient(name, request, { manner, contextLength, clock: this.#time, mayBeLost, violated });
    this.#clients.push(client);
    const another = () => this.#cluster.gateways.at(index - 1)?.generation ?? gateway.generation;
    client.run(gateway.generation, another).then(
      () => this.#narrate(`${name} is over with ${client.tokens} tokens${client.error === undefined ? "" : `: ${client.error.message}`}`),
      (thrown: unknown) => this.#violated(String(thrown)),
    );
    return client;
  }

  #cancelOne(): void {
    const client = this.#dice.pick(this.#clients.filter(({ overMs }) => overMs === undefined));
    if (client === undefined) return;
    this.#narrate(`${client.name} cancels`);
    client.cancel();
  }

  async #heal(): Promise<void> {
    const healedMs = this.#time.now();
    const noticedMs = this.#weather === "calm" ? 0 : this.#faults.hanging ? NOTICED_MS.hanging : NOTICED_MS.usual;
    this.#faults.heal();
    this.#narrate("all is healed");
    await this.#become(() => this.#cluster.still, BACK_MS_MAX, "agents and gateways are back");
    await this.#become(() => this.#time.now() - healedMs >= noticedMs, noticedMs + 100, "what is broken has been noticed");
    await this.#become(() => this.#cluster.allReady, HEALED_MS_MAX, "the cluster is ready again");
    await this.#become(() => this.#cluster.twice.length === 0, HEALED_MS_MAX, "no shard is hosted twice");
  }

  /** A cluster that says that it is ready serves, on every gateway. */
  async #probe(): Promise<void> {
    for (const index of this.#cluster.gateways.keys()) {
      const request = { ...drawRequest(this.#dice, this.#cluster.shape), deadlineMs: undefined };
      const probe = this.#start(`probe of gateway ${index}`, index, request, POLITE);
      await this.#become(() => probe.overMs !== undefined, ANSWER_MS_MAX, "a probe is answered");
      if (!probe.complete) this.#fail(`${probe.name} failed in a healthy cluster: ${probe.error?.message}`);
    }
  }

  /** Nothing is under way: nothing may be counted, whether those who wanted it still listen or not. */
  async #rest(): Promise<void> {
    const sleepers = this.#clients.filter(({ asleep }) => asleep);
    const isLeftRunning = this.#clients.some(({ request }) => request.resumable !== undefined);
    const limitMs = FREE_MS_MAX + (sleepers.length > 0 || isLeftRunning ? UNREAD_MS_MAX : 0);
    await this.#become(() => this.#cluster.busy === 0, limitMs, "all slots are free");
    for (const sleeper of sleepers) sleeper.wake();
    await this.#become(() => sleepers.every(({ overMs }) => overMs !== undefined), 10_000, "all clients are gone");
    for (const [index, gateway] of this.#cluster.gateways.entries())
      if (gateway.inFlight !== 0) this.#fail(`gateway ${index} counts ${gateway.inFlight} requests that are over`);
  }

  async #stop(): Promise<void> {
    if (!(await this.#cluster.stop())) this.#fail("not everything stops");
    await this.#pass(0);
    if (this.#time.pending !== 0) this.#fail(`${this.#time.pending} timers are left behind`);
    const alive = this.#cluster.hub.runners.filter((runner) => runner.alive);
    if (alive.length > 0) this.#fail(`runners are left behind: ${alive.map(({ incarnation }) => incarnation).join()}`);
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

  /** What holds at any time. */
  #check(): void {
    const [broken] = [...this.#violations, ...this.#cluster.hub.violations];
    if (broken !== undefined) this.#fail(broken);
    const nowMs = this.#time.now();
    for (const client of this.#clients) {
      const { name, overMs, startedMs, attentive } = client;
      if (attentive && overMs === undefined && nowMs - startedMs > ANSWER_MS_MAX)
        this.#fail(`${name} has no answer after ${ANSWER_MS_MAX} ms`);
      if (overMs !== undefined && overMs > nowMs - 300) this.#judge(client);
    }
  }

  /** Who may fail depends on what fails. */
  #judge({ name, error, manner }: SimulatedClient): void {
    if (error?.code !== "UNAVAILABLE" || this.#weather === "storm") return;
    const cutOff = manner.rest !== undefined && manner.rest.forMs === undefined;
    if (!cutOff) this.#fail(`${name} failed, and nothing did that it should notice: ${error.message}`);
  }

  /** Where links work, nothing is computed for clients that have left. */
  #audit({ node, replicas }: Heartbeat): void {
    if (!this.#served) return;
    const busy = replicas.reduce((sum, { busySlots, queued }) => sum + busySlots + queued, 0);
    const alive = this.#clients.reduce((sum, client) => sum + client.choicesAlive(FREED_MS), 0);
    if (busy > alive) this.#violated(`${node} runs ${busy} choices or lets them wait, clients want ${alive}`);
  }

  #violated(what: string): void {
    this.#narrate(`VIOLATION ${what}`);
    this.#violations.push(what);
  }

  #fail(what: string): never {
    this.#narrate(`FAILED ${what}`);
    throw new Error(`${what} (at ${this.#time.now().toFixed(0)} ms, ${this.#weather})`);
  }

  #report(): SimulationReport {
    const clients = this.#clients;
    return {
      weather: this.#weather,
      requests: clients.length,
      complete: clients.filter(({ complete }) => complete).length,
      failed: clients.filter(({ error, left }) => error !== undefined && !left).length,
      left: clients.filter(({ left }) => left).length,
      resumed: clients.reduce((sum, { timesBack }) => sum + timesBack, 0),
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
