/** What a gateway asks of an agent about the node itself, over its link: to hear its heartbeats, and to obey. Pure. */

/** Heartbeats from now on, each in `part` frames and ended by HEARTBEAT_END. */
export interface WatchRequest {
  readonly kind: "watch";
}

/** A control message as JSON, for when the bus is away. */
export interface ControlRequest {
  readonly kind: "control";
  readonly control: Uint8Array;
}

/** A line feed: JSON has none outside of strings, and none in them. */
export const HEARTBEAT_END = 10;
