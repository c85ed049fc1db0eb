/** Which replica takes a request: filter, score, pick. Pure. */
import type { RefusalReason } from "../../core/messages/generation.ts";
import type { ReplicaView } from "../control/fleet.ts";
import { staying } from "./staying.ts";

export interface RouteQuestion {
  readonly model: string;
  /** undefined: the newest that is ready. */
  readonly version: string | undefined;
  readonly replicas: readonly ReplicaView[];
  /** What this gateway has under way there. */
  readonly inFlight: (replica: string) => number;
  /** Replicas that have refused this request, or could not be reached. */
  readonly refused: ReadonlyMap<string, RefusalReason>;
  /** Other CPUs may compute other bits; undefined: no matter. */
  readonly preferredCpu: string | undefined;
  /** By replica, the part of the prompt that it may still hold; see PrefixAffinity. */
  readonly matches: ReadonlyMap<string, number>;
  /** In [0, 1): breaks ties, so that gateways do not all choose alike. */
  readonly chance: number;
}

/** `no-replica`: nobody leads one; whether the model is loading or unknown is the directory's to say. */
export type NoRouteReason = "no-replica" | "not-ready" | "full";

export type Route = { readonly kind: "route"; readonly replica: ReplicaView } | { readonly kind: "none"; readonly reason: NoRouteReason };

/** A prompt that is there already is worth so much load more. */
const MATCH_WORTH = 0.5;

/** Sequences per slot. Heartbeats lag and know of all gateways, the own count is exact and knows of one: the larger is nearer. */
export function loadOf(replica: ReplicaView, inFlight: number): number {
  return Math.max(replica.busySlots + replica.queued, inFlight) / Math.max(1, replica.slots);
}

/** Versions are whole numbers, as in Triton's repositories; others compare as texts. */
function newest(replicas: readonly ReplicaView[]): string | undefined {
  return replicas.map(({ version }) => version).toSorted((a, b) => Number(b) - Number(a) || (a < b ? 1 : -1))[0];
}

/** Those with this CPU, if there is one. */
function sameCpu(replicas: readonly ReplicaView[], preferred: string | undefined): readonly ReplicaView[] {
  const same = replicas.filter(({ cpu }) => cpu === preferred);
  return same.length > 0 ? same : replicas;
}

function whyNone(question: RouteQuestion, hosted: readonly ReplicaView[]): NoRouteReason {
  if (hosted.length === 0) return "no-replica";
  return hosted.some(({ replica }) => question.refused.get(replica) === "full") ? "full" : "not-ready";
}

function hostedOf({ model, version, replicas }: RouteQuestion): readonly ReplicaView[] {
  return replicas.filter((view) => view.model === model && (version === undefined || view.version === version));
}

/** Those that could take it now. @param hosted the question's, where they are known already */
export function candidatesOf(question: RouteQuestion, hosted = hostedOf(question)): readonly ReplicaView[] {
  const ready = sameCpu(
    hosted.filter((view) => view.ready && !question.refused.has(view.replica)),
    question.preferredCpu,
  );
  const chosenVersion = question.version ?? newest(ready);
  return staying(
    ready.filter((view) => view.version === chosenVersion),
    ({ leaving }) => leaving,
  );
}

/** The candidate with the lowest is chosen. */
export function costOf(replica: ReplicaView, { inFlight, matches }: RouteQuestion): number {
  const load = loadOf(replica, inFlight(replica.replica));
  // A replica without a free slot makes it wait: what it holds is no use then.
  return load < 1 ? load - MATCH_WORTH * (matches.get(replica.replica) ?? 0) : load;
}

export function chooseReplica(question: RouteQuestion): Route {
  const hosted = hostedOf(question);
  const scored = candidatesOf(question, hosted).map((replica) => ({ replica, cost: costOf(replica, question) }));
  const lowest = Math.min(...scored.map(({ cost }) => cost));
  const best = scored.filter(({ cost }) => cost === lowest);
  const pick = best[Math.floor(question.chance * best.length)];
  return pick === undefined ? { kind: "none", reason: whyNone(question, hosted) } : { kind: "route", replica: pick.replica };
}
