/** Says on the bus, and to gateways that watch over their links, what this node has: twice a second, and at once when something changes. */
import type { Bus } from "../core/bus/bus.ts";
import type { Clock } from "../core/clock.ts";
import type { NodeId } from "../core/ids.ts";
import type { Heartbeat } from "../core/messages/heartbeat.ts";
import { encodeJson } from "../core/messages/json-message.ts";
import { HEARTBEAT_END } from "../core/messages/node-watch.ts";
import { SUBJECTS } from "../core/messages/subjects.ts";
import type { Logger } from "../core/telemetry/logger.ts";
import type { Watchers } from "./watchers.ts";

const PERIOD_MS = 500;
const END = Uint8Array.of(HEARTBEAT_END);

export class HeartbeatSender implements Disposable {
  readonly #bus: Bus;
  readonly #clock: Clock;
  readonly #watchers: Watchers;
  readonly #node: NodeId;
  readonly #report: () => Omit<Heartbeat, "node" | "sequence">;
  readonly #logger: Pick<Logger, "warn">;
  #toldTooLarge = false;
  #sequence = 0;
  #takeBack: () => void = () => {};
  #soon = false;
  #closed = false;

  constructor(
    node: NodeId,
    report: () => Omit<Heartbeat, "node" | "sequence">,
    deps: { readonly bus: Bus; readonly clock: Clock; readonly watchers: Watchers; readonly logger: Pick<Logger, "warn"> },
  ) {
    this.#node = node;
    this.#report = report;
    this.#bus = deps.bus;
    this.#clock = deps.clock;
    this.#watchers = deps.watchers;
    this.#logger = deps.logger;
    this.changed();
  }

  /** Changes of one turn are told together. */
  changed(): void {
    if (this.#soon || this.#closed) return;
    this.#soon = true;
    this.#takeBack();
    this.#takeBack = this.#clock.after(0, () => this.#beat());
  }

  #beat(): void {
    this.#soon = false;
    this.#say();
    this.#takeBack = this.#clock.after(PERIOD_MS, () => this.#beat());
  }

  #say(): void {
    this.#sequence += 1;
    const heartbeat = encodeJson({ ...this.#report(), node: this.#node, sequence: this.#sequence });
    const bytesMax = this.#bus.payloadBytesMax;
    if (heartbeat.byteLength <= bytesMax) this.#bus.publish(SUBJECTS.heartbeat(this.#node), heartbeat);
    else if (!this.#toldTooLarge)
      this.#logger.warn(
        { bytes: heartbeat.byteLength, bytesMax },
        "heartbeats are too large for the bus: gateways that start now do not find this node; raise max_payload of NATS, or load fewer models here",
      );
    this.#toldTooLarge = heartbeat.byteLength > bytesMax;
    this.#watchers.tell(Buffer.concat([heartbeat, END]));
  }

  /** Says how things stand once more. */
  [Symbol.dispose](): void {
    this.#closed = true;
    this.#takeBack();
    this.#say();
  }
}
