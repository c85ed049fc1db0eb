/** What goes wrong in a simulated cluster: each fault is drawn with its length, and ends by itself or when all is healed. */
import { ServingError } from "../../../core/errors.ts";
import { SUBJECTS } from "../../../core/messages/subjects.ts";
import type { ScriptedRunner } from "../../../core/wire/scripted-runner.ts";
import type { Dice } from "./dice.ts";
import type { SimulatedCluster } from "./simulated-cluster.ts";

/** Loses some messages of some subjects. */
interface Loss {
  readonly subjects: RegExp;
  readonly probability: number;
}

/** Runners that die five times in a row before they are open are given up by design: fewer such deaths per simulation. */
const STILLBORN_MAX = 3;

interface FaultKind {
  readonly weight: number;
  /** Begins it. @returns what to print; undefined when there is nothing that it could hit. */
  begin(): string | undefined;
}

export class Faults {
  readonly #cluster: SimulatedCluster;
  readonly #dice: Dice;
  readonly #losses = new Set<Loss>();
  /** What ends faults that have not ended by themselves. */
  readonly #ends = new Set<() => void>();
  readonly #kinds: readonly FaultKind[];
  /** Runners that refuse a step to come. */
  readonly #refusing = new Set<ScriptedRunner>();
  #stillborn = 0;

  constructor(cluster: SimulatedCluster, dice: Dice) {
    this.#cluster = cluster;
    this.#dice = dice;
    cluster.broker.drop((subject) => [...this.#losses].some((loss) => loss.subjects.test(subject) && dice.happens(loss.probability)));
    this.#kinds = [...this.#runnerFaults(), ...this.#linkFaults(), ...this.#busFaults(), ...this.#processFaults()];
  }

  /** @returns what happened. */
  strike(): string {
    let rest = this.#dice.whole(0, this.#kinds.reduce((sum, { weight }) => sum + weight, 0) - 1);
    for (const kind of this.#kinds) {
      if (rest < kind.weight) return kind.begin() ?? "a fault that hits nothing";
      rest -= kind.weight;
    }
    return "no fault";
  }

  /** Ends all that lasts, and what has not struck yet: runners that would refuse a step are killed. */
  heal(): void {
    for (const end of [...this.#ends]) end();
    for (const runner of this.#refusing) runner.kill();
    for (const runner of this.#cluster.hub.runners) runner.stall(0);
  }

  #runnerFaults(): readonly FaultKind[] {
    const { hub } = this.#cluster;
    const dice = this.#dice;
    const open = (): ScriptedRunner | undefined => dice.pick(hub.runners.filter(({ alive, shard }) => alive && shard !== undefined));
    const opening = (): ScriptedRunner | undefined => {
      const runner = dice.pick(hub.runners.filter(({ alive, shard }) => alive && shard === undefined));
      if (runner === undefined || this.#stillborn === STILLBORN_MAX) return undefined;
      this.#stillborn += 1;
      return runner;
    };
    const hit = (what: string, runner: ScriptedRunner | undefined, act: (runner: ScriptedRunner) => void) => {
      if (runner === undefined) return undefined;
      act(runner);
      return `${runner.incarnation} ${what}`;
    };
    return [
      { weight: 8, begin: () => hit("is killed", open(), (runner) => runner.kill()) },
      { weight: 2, begin: () => hit("is killed while it opens", opening(), (runner) => runner.kill()) },
      {
        weight: 2,
        begin: () => hit("fails to open", opening(), (runner) => runner.failOpen(new ServingError("UNAVAILABLE", "it died on it"))),
      },
      {
        weight: 3,
        begin: () =>
          hit("refuses its next step", open(), (runner) => {
            this.#refusing.add(runner);
            runner.failStep("out of memory");
          }),
      },
      { weight: 4, begin: () => hit("stalls", open(), (runner) => runner.stall(dice.whole(50, 3_000))) },
      { weight: 1, begin: () => hit("hangs", open(), (runner) => runner.stall(60_000)) },
    ];
  }

  #linkFaults(): readonly FaultKind[] {
    const { links, agents } = this.#cluster;
    const dice = this.#dice;
    const address = () => dice.pick(agents.filter((agent) => agent.address !== ""))?.address;
    return [
      {
        weight: 5,
        begin: () => {
          const at = address();
          if (at === undefined) return undefined;
          links.disconnect(at);
          return `links to ${at} are cut`;
        },
      },
      {
        weight: 3,
        begin: () => {
          const at = address();
          if (at === undefined) return undefined;
          links.partition(at);
          return this.#lasting(`silence to and from ${at}`, dice.whole(100, 4_000), () => links.heal(at));
        },
      },
      {
        weight: 2,
        begin: () => {
          const delayMs = dice.whole(1, 400);
          links.delay(delayMs);
          return this.#lasting(`links take ${delayMs} ms`, dice.whole(100, 3_000), () => links.delay(0));
        },
      },
    ];
  }

  #busFaults(): readonly FaultKind[] {
    const { broker, agents } = this.#cluster;
    const dice = this.#dice;
    const lose = (what: string, subjects: RegExp, lengthMs: number) => {
      const loss: Loss = { subjects, probability: dice.happens(0.5) ? 1 : 0.3 };
      this.#losses.add(loss);
      return this.#lasting(`${what} are lost, ${loss.probability}`, lengthMs, () => this.#losses.delete(loss));
    };
    const exactly = (subject: string) => new RegExp(`^${subject.replaceAll(".", "\\.")}$`);
    return [
      { weight: 2, begin: () => lose("messages", /./, dice.whole(50, 2_000)) },
      { weight: 2, begin: () => lose("submits", /\.submit$/, dice.whole(100, 3_000)) },
      { weight: 2, begin: () => lose("controls", /\.control$/, dice.whole(100, 4_000)) },
      {
        weight: 2,
        begin: () => {
          const agent = dice.pick(agents);
          if (agent === undefined) return undefined;
          return lose(`heartbeats of ${agent.node}`, exactly(SUBJECTS.heartbeat(agent.node)), dice.whole(500, 6_000));
        },
      },
      {
        weight: 2,
        begin: () => {
          const delayMs = dice.whole(1, 900);
          broker.delay(delayMs);
          return this.#lasting(`messages take ${delayMs} ms`, dice.whole(100, 3_000), () => broker.delay(0));
        },
      },
      {
        weight: 2,
        begin: () => {
          broker.disconnect();
          return this.#lasting("the broker is away", dice.whole(50, 4_000), () => broker.reconnect());
        },
      },
    ];
  }

  #processFaults(): readonly FaultKind[] {
    const cluster = this.#cluster;
    const dice = this.#dice;
    return [
      {
        weight: 2,
        begin: () => {
          const agent = dice.pick(cluster.agents.filter(({ address }) => address !== ""));
          if (agent === undefined) return undefined;
          const pauseMs = dice.whole(0, 5_000);
          cluster.restartAgent(agent, pauseMs);
          return `${agent.node} goes, back in ${pauseMs} ms`;
        },
      },
      {
        weight: 1,
        begin: () => {
          const index = dice.whole(0, cluster.gateways.length - 1);
          cluster.restartGateway(index);
          return `gateway ${index} is another one now`;
        },
      },
      {
        weight: 1,
        begin: () => {
          cluster.movePlacement();
          return "placement moves to the next gateway";
        },
      },
    ];
  }

  #lasting(what: string, lengthMs: number, undo: () => void): string {
    const end = () => {
      this.#ends.delete(end);
      takeBack();
      undo();
    };
    this.#ends.add(end);
    const takeBack = this.#cluster.time.after(lengthMs, end);
    return `${what}, for ${lengthMs} ms`;
  }
}
