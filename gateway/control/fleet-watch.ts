/** Keeps the fleet up to date from the bus and tells who asks when it changes. */
import type { Bus } from "../../core/bus/bus.ts";
import type { Clock } from "../../core/clock.ts";
import { ServingError } from "../../core/errors.ts";
import type { NodeId } from "../../core/ids.ts";
import { Heartbeat } from "../../core/messages/heartbeat.ts";
import { decodeJson } from "../../core/messages/json-message.ts";
import { SUBJECTS } from "../../core/messages/subjects.ts";
import type { Logger } from "../../core/telemetry/logger.ts";
import { Fleet } from "./fleet.ts";

const EXPIRY_PERIOD_MS = 500;
const HEARD_MAX = 256;

export class FleetWatch implements Disposable {
  readonly fleet = new Fleet();
  readonly #listeners = new Set<(fleet: Fleet) => void>();
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #subscription: { unsubscribe(): void };
  /** Milliseconds in which a heartbeat could have been heard: while this process is held up, nobody is silent. */
  #listenedMs = 0;
  /** The last heartbeat of each length, so that its copy on the other way is known without being read. */
  readonly #heard = new Map<number, Uint8Array>();
  #lookedAtMs: number;
  #takeBack: () => void = () => {};

  constructor(bus: Bus, clock: Clock, logger: Logger) {
    this.#clock = clock;
    this.#logger = logger;
    this.#lookedAtMs = clock.now();
    this.#subscription = bus.subscribe(SUBJECTS.everyHeartbeat, (payload) => this.hear(payload));
    this.#scheduleExpiry();
  }

  /** @returns what stops the calls. */
  onChange(listener: (fleet: Fleet) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** A heartbeat has come, on the bus or over a link; a copy changes nothing. */
  hear(payload: Uint8Array): void {
    if (this.#isCopy(payload)) return;
    try {
      if (this.fleet.hear(decodeJson(Heartbeat, payload), this.#listenedMs)) this.#changed();
    } catch (thrown) {
      this.#logger.warn({ err: ServingError.from(thrown) }, "a heartbeat that does not fit was dropped");
    }
  }

  #isCopy(payload: Uint8Array): boolean {
    const last = this.#heard.get(payload.byteLength);
    if (last !== undefined && Buffer.compare(last, payload) === 0) return true;
    if (this.#heard.size >= HEARD_MAX) this.#heard.clear();
    this.#heard.set(payload.byteLength, payload.slice());
    return false;
  }

  /** The node is not there any more, whatever its silence says. */
  lost(node: NodeId): void {
    if (!this.fleet.forget(node)) return;
    this.#logger.warn({ node }, "a node's link is lost and it does not answer: it is taken for dead");
    this.#changed();
  }

  #scheduleExpiry(): void {
    this.#takeBack = this.#clock.after(EXPIRY_PERIOD_MS, () => {
      const nowMs = this.#clock.now();
      this.#listenedMs += Math.min(nowMs - this.#lookedAtMs, 2 * EXPIRY_PERIOD_MS);
      this.#lookedAtMs = nowMs;
      const silent = this.fleet.expire(this.#listenedMs);
      if (silent.length > 0) {
        this.#logger.warn({ nodes: silent }, "nodes are silent and taken for dead");
        this.#changed();
      }
      this.#scheduleExpiry();
    });
  }

  #changed(): void {
    for (const listener of this.#listeners) listener(this.fleet);
  }

  [Symbol.dispose](): void {
    this.#takeBack();
    this.#subscription.unsubscribe();
    this.#listeners.clear();
  }
}
