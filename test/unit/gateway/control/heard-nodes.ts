/** Nodes that say on a bus what they have, when a test lets them, and what they are told. */
import type { Bus } from "../../../../core/bus/bus.ts";
import { nodeId } from "../../../../core/ids.ts";
import { type Control, ControlMessage } from "../../../../core/messages/control.ts";
import type { Heartbeat, ShardReport } from "../../../../core/messages/heartbeat.ts";
import { decodeJson, encodeJson } from "../../../../core/messages/json-message.ts";
import { SUBJECTS } from "../../../../core/messages/subjects.ts";

export class HeardNode {
  readonly node;
  /** Commands that came, in order. */
  readonly told: Control[] = [];
  /** With which they came. */
  readonly fences: number[] = [];
  readonly #bus: Bus;
  #sequence = 0;

  constructor(name: string, bus: Bus) {
    this.node = nodeId(name);
    this.#bus = bus;
    bus.subscribe(SUBJECTS.control(this.node), (payload) => {
      const { control, fence } = decodeJson(ControlMessage, payload);
      this.told.push(control);
      this.fences.push(fence);
    });
  }

  beat(changes: Partial<Heartbeat> = {}): Heartbeat {
    this.#sequence += 1;
    const heartbeat: Heartbeat = {
      node: this.node,
      incarnation: "first",
      sequence: this.#sequence,
      link: `link of ${this.node}`,
      wire: `wire of ${this.node}`,
      cpu: "scripted",
      memoryTotalBytes: 2 ** 34,
      memoryFreeBytes: 2 ** 34,
      shards: [],
      replicas: [],
      models: [],
      ...changes,
    };
    this.#bus.publish(SUBJECTS.heartbeat(this.node), encodeJson(heartbeat));
    return heartbeat;
  }
}

/** An open shard of `tiny/1/0`. */
export function openShard(stage: number, stages: number, epoch = 0): ShardReport {
  return {
    replica: "tiny/1/0",
    model: "tiny",
    version: "1",
    stage,
    stages,
    firstLayer: 0,
    endLayer: 1,
    quantization: "native",
    state: { kind: "open", runner: `runner-${stage}`, address: `unix:/${stage}`, epoch, residentBytes: 1 },
  };
}
