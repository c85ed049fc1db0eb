/** What goes wrong in a simulated cluster: each fault is drawn with its length, and ends by itself or when all is healed. */
import type { ScriptedRunner } from "../../support/scripted/scripted-runner.ts";
import type { Dice } from "./dice.ts";
import type { FaultKind, FaultTools } from "./fault-kind.ts";
import { busFaults, linkFaults, submitFaults } from "./network-faults.ts";
import { processFaults } from "./process-faults.ts";
import { runnerFaults } from "./runner-faults.ts";
import type { SimulatedCluster } from "./simulated-cluster.ts";
import { storeFaults } from "./store-faults.ts";
import type { Weather } from "./weather.ts";

export class Faults {
  readonly #cluster: SimulatedCluster;
  readonly #dice: Dice;
  readonly #kinds: readonly FaultKind[];
  /** What ends faults that have not ended by themselves. */
  readonly #ends = new Set<() => void>();
  readonly #hanging = new Set<ScriptedRunner>();

  constructor(cluster: SimulatedCluster, dice: Dice, weather: Weather) {
    this.#cluster = cluster;
    this.#dice = dice;
    const tools: FaultTools = {
      cluster,
      dice,
      lasting: (what, lengthMs, undo) => this.#lasting(what, lengthMs, undo),
      hanging: this.#hanging,
    };
    this.#kinds = kindsOf(weather, tools);
  }

  /** @returns what happened. */
  strike(): string {
    const total = this.#kinds.reduce((sum, { weight }) => sum + weight, 0);
    let number = this.#dice.whole(1, total);
    const kind = this.#kinds.find(({ weight }) => {
      number -= weight;
      return number <= 0;
    });
    return kind?.begin() ?? "a fault that hits nothing";
  }

  /** Whether a runner that lives may hang. */
  get hanging(): boolean {
    return this.#hanging.values().some((runner) => runner.alive);
  }

  /** Ends all that lasts, and takes back what has not struck yet. */
  heal(): void {
    for (const end of [...this.#ends]) end();
    for (const runner of this.#cluster.hub.runners) {
      runner.stall(0);
      runner.failStep(undefined);
    }
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

function kindsOf(weather: Weather, tools: FaultTools): readonly FaultKind[] {
  switch (weather) {
    case "calm":
      return [];
    case "lossy":
      return submitFaults(tools);
    case "lame":
      return [...runnerFaults(tools, (replica) => replica.endsWith("/0")), ...submitFaults(tools)];
    case "storm":
      return [
        ...runnerFaults(tools, () => true),
        ...linkFaults(tools),
        ...busFaults(tools),
        ...processFaults(tools),
        ...storeFaults(tools),
      ];
  }
}
