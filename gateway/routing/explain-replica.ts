/** Why `chooseReplica` has chosen as it has: its candidates with what they were scored by, and why the model's others were none. Pure. */
import type { ReplicaView } from "../control/fleet.ts";
import { candidatesOf, costOf, loadOf, type Route, type RouteQuestion } from "./choose-replica.ts";
import type { RoutePick } from "./route-explanation.ts";

/** @param route the question's answer */
export function explainReplica(question: RouteQuestion, route: Route): RoutePick {
  const { matches, inFlight } = question;
  const candidates = candidatesOf(question);
  const scored = candidates.map((view) => {
    const { replica, node, cpu, slots, busySlots, queued } = view;
    const own = inFlight(replica);
    const match = matches.get(replica) ?? 0;
    const scores = {
      cost: costOf(view, question),
      load: loadOf(view, own),
      busy: busySlots,
      queued,
      own_in_flight: own,
      slots,
      match,
      cpu,
    };
    return { replica, node, scores };
  });
  const others = question.replicas.filter((view) => view.model === question.model && !candidates.includes(view));
  return {
    chosen: route.kind === "route" ? route.replica : undefined,
    candidates: scored.toSorted((a, b) => a.scores.cost - b.scores.cost),
    filtered: others.map((view) => ({ replica: view.replica, node: view.node, why: whyNot(view, question, candidates) })),
  };
}

/** In the order in which `chooseReplica` asks. */
function whyNot(view: ReplicaView, { version, refused, preferredCpu }: RouteQuestion, candidates: readonly ReplicaView[]): string {
  if (version !== undefined && view.version !== version) return "another version";
  if (!view.ready) return "not ready";
  const refusal = refused.get(view.replica);
  if (refusal !== undefined) return `has refused: ${refusal}`;
  const [candidate] = candidates;
  if (candidate?.cpu === preferredCpu && view.cpu !== preferredCpu) return "another CPU";
  return candidate?.version === view.version && view.leaving ? "its node is to be left" : "an older version";
}
