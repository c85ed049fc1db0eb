/** Says on the bus what this node has: twice a second, and at once when something changes. */
import type { Bus } from "../core/bus/bus.ts";
import type { Clock } from "../core/clock.ts";
import type { NodeId } from "../core/ids.ts";
import type { Heartbeat } from "../core/messages/heartbeat.ts";
import { encodeJson } from "../core/messages/json-message.ts";
import { SUBJECTS } from "../core/messages/subjects.ts";

const PERIOD_MS = 500;

export class HeartbeatSender implements Disposable {
  readonly #bus: Bus;
  readonly #clock: Clock;
  readonly #node: NodeId;
  readonly #report: () => Omit<Heartbeat, "node" | "sequence">;
  #sequence = 0;
  #takeBack: () => void = () => {};
  #soon = false;
  #closed = false;

  constructor(node: NodeId, report: () => Omit<Heartbeat, "node" | "sequence">, deps: { readonly bus: Bus; readonly clock: Clock }) {
    this.#node = node;
    this.#report = report;
    this.#bus = deps.bus;
    this.#clock = deps.clock;
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
    this.#sequence += 1;
    this.#bus.publish(SUBJECTS.heartbeat(this.#node), encodeJson({ ...this.#report(), node: this.#node, sequence: this.#sequence }));
    this.#takeBack = this.#clock.after(PERIOD_MS, () => this.#beat());
  }

  [Symbol.dispose](): void {
    this.#closed = true;
    this.#takeBack();
  }
}
