/** Gateways without doors and whole agents on scripted runners, on one memory bus, around a store of the test's choice. */
import { MemoryBroker } from "../../core/bus/memory.ts";
import type { Clock } from "../../core/clock.ts";
import { ServingError } from "../../core/errors.ts";
import { MemoryLinks } from "../../core/link/memory.ts";
import type { Random } from "../../core/random.ts";
import { createMetrics } from "../../core/telemetry/metrics.ts";
import { type ControlPlane, createControlPlane, type PlacementStore } from "../../gateway/control/control-plane.ts";
import { FleetWatch } from "../../gateway/control/fleet-watch.ts";
import { nodeTeller } from "../../gateway/control/node-teller.ts";
import type { LoadPlan } from "../../gateway/placement/wanted-transitions.ts";
import { SimulatedAgent } from "../simulation/cluster/simulated-agent.ts";
import { LogBook } from "../unit/node-agent/hosting-rig.ts";
import { MemoryCutter } from "../unit/node-agent/models/memory-cutter.ts";
import { ScriptedRunners } from "./scripted/scripted-runners.ts";

export interface ControlGateway extends AsyncDisposable {
  readonly plane: ControlPlane;
  readonly watch: FleetWatch;
  /** As by SIGKILL: says and asks nothing any more, and lets go of nothing. */
  kill(): void;
}

export interface ControlClusterOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly nodes: number;
}

/** The repository's only model: a language model of two stages. */
const PLAN: LoadPlan = {
  versions: ["1"],
  source: "",
  config: "",
  fingerprint: "a",
  copies: 1,
  bytes: 0,
  language: { stages: 2, quantization: "auto", slots: 2, contextLength: 0, threads: 1 },
};

export class ControlCluster implements AsyncDisposable {
  readonly log = new LogBook();
  readonly #options: ControlClusterOptions;
  readonly #broker: MemoryBroker;
  readonly #stack = new AsyncDisposableStack();
  readonly #agents: readonly SimulatedAgent[];

  constructor(options: ControlClusterOptions) {
    const { clock, random, nodes } = options;
    this.#options = options;
    this.#broker = new MemoryBroker({ clock });
    const links = new MemoryLinks({ clock, random });
    const hub = new ScriptedRunners({ clock });
    const metrics = this.#stack.use(createMetrics());
    const shared = { broker: this.#broker, links, hub, cutter: new MemoryCutter(), metrics, logger: this.log.logger, audit: undefined };
    this.#agents = Array.from({ length: nodes }, (_, index) => new SimulatedAgent(`node-${index + 1}`, { ...shared, clock, random }));
  }

  async start(): Promise<void> {
    for (const agent of this.#agents) {
      await agent.start();
      this.#stack.defer(() => agent.stop());
    }
  }

  /** Each with its own way to the store. */
  gateway(store: PlacementStore): ControlGateway {
    const { clock, random } = this.#options;
    const { logger } = this.log;
    const bus = this.#broker.connect();
    const watch = new FleetWatch(bus, clock, logger);
    const reached = severable(store);
    const plane = createControlPlane(
      {
        tell: nodeTeller(bus, { tell: () => {} }),
        watch,
        store: reached.store,
        folders: { ambiguous: async () => [], names: async () => ["tiny"], plan: async () => PLAN },
        models: () => watch.fleet.models(),
        clock,
        random,
        logger,
        metrics: createMetrics(),
        onWanted: () => {},
      },
      { mode: "explicit", rebalance: false, nodesMin: this.#agents.length },
    );
    const unwatch = watch.onChange(() => plane.control.fleetChanged());
    const kill = () => {
      reached.sever();
      unwatch();
      watch[Symbol.dispose]();
      void bus[Symbol.asyncDispose](); // what it publishes from now on is heard by nobody
    };
    return {
      plane,
      watch,
      kill,
      async [Symbol.asyncDispose]() {
        await plane[Symbol.asyncDispose]();
        kill();
      },
    };
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#stack.disposeAsync();
  }
}

/** A store that a dead process does not reach any more. */
function severable({ wantedModels, lease }: PlacementStore): { readonly store: PlacementStore; sever(): void } {
  let severed = false;
  const reach = <T>(ask: () => Promise<T>): Promise<T> =>
    severed ? Promise.reject(new ServingError("UNAVAILABLE", "this gateway is dead")) : ask();
  return {
    store: {
      wantedModels: {
        read: (known) => reach(() => wantedModels.read(known)),
        change: (model, expected, wanted) => reach(() => wantedModels.change(model, expected, wanted)),
        changeNode: (node, expected, wanted) => reach(() => wantedModels.changeNode(node, expected, wanted)),
        restore: (snapshot) => reach(() => wantedModels.restore(snapshot)),
      },
      lease: {
        hold: (claim) => reach(() => lease.hold(claim)),
        release: (holder, fence) => reach(() => lease.release(holder, fence)),
      },
    },
    sever: () => {
      severed = true;
    },
  };
}
