/** A whole agent on scripted runners: started, found at its link address, and started again as another incarnation. */
import { tmpdir } from "node:os";
import type { Bus } from "../../../core/bus/bus.ts";
import type { MemoryBroker } from "../../../core/bus/memory.ts";
import type { Clock } from "../../../core/clock.ts";
import { nodeId } from "../../../core/ids.ts";
import type { LinkNetwork } from "../../../core/link/link.ts";
import type { MemoryLinks } from "../../../core/link/memory.ts";
import { Heartbeat } from "../../../core/messages/heartbeat.ts";
import { decodeJson } from "../../../core/messages/json-message.ts";
import type { Random } from "../../../core/random.ts";
import { ModelSources } from "../../../core/repository/model-sources.ts";
import type { Logger } from "../../../core/telemetry/logger.ts";
import type { Metrics } from "../../../core/telemetry/metrics.ts";
import { Agent } from "../../../node-agent/agent.ts";
import type { JournalOptions } from "../../../node-agent/generation-journal.ts";
import type { Cutter } from "../../../node-agent/models/cutter.ts";
import { ScriptedModelRunners } from "../../support/scripted/scripted-model-runner.ts";
import type { ScriptedRunners } from "../../support/scripted/scripted-runners.ts";

export interface SimulatedAgentDeps {
  readonly broker: MemoryBroker;
  readonly links: MemoryLinks;
  readonly hub: ScriptedRunners;
  readonly cutter: Cutter;
  /** undefined: none is written. */
  readonly journal?: JournalOptions | undefined;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** Sees every heartbeat as it leaves, whatever the bus does to it. */
  readonly audit: ((heartbeat: Heartbeat) => void) | undefined;
}

const MEMORY = { totalBytes: 2 ** 34, freeBytes: 2 ** 34 };

export class SimulatedAgent {
  readonly node;
  /** Its link's address; empty while it is away. */
  address = "";
  readonly #deps: SimulatedAgentDeps;
  #running: AsyncDisposableStack | undefined;

  constructor(name: string, deps: SimulatedAgentDeps) {
    this.node = nodeId(name);
    this.#deps = deps;
  }

  async start(): Promise<void> {
    const { broker, links, hub, clock, random } = this.#deps;
    const stack = new AsyncDisposableStack();
    const bus = audited(stack.use(broker.connect()), this.#deps.audit);
    const wire = stack.use(hub.openWire());
    const network: LinkNetwork = {
      dial: (address, signal) => links.dial(address, signal),
      listen: async (onLink) => {
        const listener = await links.listen(onLink);
        this.address = listener.address;
        return listener;
      },
    };
    const agent = await Agent.start({
      ...this.#deps,
      node: this.node,
      bus,
      wire,
      links: network,
      runners: hub,
      modelRunners: new ScriptedModelRunners({ clock, signature: { inputs: [], outputs: [] } }),
      sources: new ModelSources({ repositoryFolders: [tmpdir()], uploadsFolder: tmpdir(), random }),
      cacheBytes: 0,
      cpu: "scripted",
      memory: () => MEMORY,
    });
    stack.use(agent);
    this.#running = stack;
  }

  /** Its runners and links go with it. */
  async stop(): Promise<void> {
    const running = this.#running;
    this.#running = undefined;
    this.address = "";
    await running?.disposeAsync();
  }
}

const HEARTBEAT = /^hb\./;

function audited(bus: Bus, audit: ((heartbeat: Heartbeat) => void) | undefined): Bus {
  if (audit === undefined) return bus;
  return {
    payloadBytesMax: bus.payloadBytesMax,
    get connected() {
      return bus.connected;
    },
    publish(subject, payload) {
      if (HEARTBEAT.test(subject)) audit(decodeJson(Heartbeat, payload));
      bus.publish(subject, payload);
    },
    subscribe: (pattern, listener) => bus.subscribe(pattern, listener),
    onConnection: (listener) => bus.onConnection(listener),
    [Symbol.asyncDispose]: () => bus[Symbol.asyncDispose](),
  };
}
