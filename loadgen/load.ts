/** A load on a server, from its first request to its last. */
import type { Clock } from "../core/clock.ts";
import type { Channel } from "./channel.ts";
import type { Meter } from "./meter.ts";
import type { RequestOrder } from "./request-order.ts";

export interface Load {
  start(): void;
  /** No more requests; resolves when those under way have ended. */
  stop(): Promise<void>;
}

export interface LoadOptions {
  /** Each with one request at a time at most. */
  readonly channels: readonly Channel[];
  readonly meter: Meter;
  readonly clock: Clock;
  readonly order: RequestOrder;
}
