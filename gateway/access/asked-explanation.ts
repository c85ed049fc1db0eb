/** Whether a caller is told how its request was routed: when it asks, and may read the cluster's state, which names nodes too. */
import { RouteExplanation } from "../routing/route-explanation.ts";
import { reads } from "./access.ts";
import type { Asked, Guard } from "./guard.ts";

const READS_STATE = reads("metadata");

/** @returns to be filled by whoever routes the request; undefined: not asked for, or not for this caller */
export function askedExplanation(asked: Asked, guard: Guard): RouteExplanation | undefined {
  if (asked.header("x-nereid-explain") !== "route") return undefined;
  try {
    guard.admit(READS_STATE, asked);
    return new RouteExplanation();
  } catch {
    return undefined; // the request itself may be served
  }
}
