/** Which node takes an inference: the one with the least under way. */
import type { ModelOnNode } from "../control/fleet.ts";
import { explainCopy } from "../routing/explain-copy.ts";
import type { InFlight } from "../routing/in-flight.ts";
import type { RoutePick } from "../routing/route-explanation.ts";
import { staying } from "../routing/staying.ts";
import type { ModelView } from "./model-catalog.ts";
import { type ModelViews, oldestOf, type ServedVersion } from "./model-views.ts";

export interface NodeChoiceDeps {
  readonly views: Pick<ModelViews, "readyFor" | "hosted">;
  readonly inFlight: InFlight;
}

/** What a copy goes by in a set of those that have refused. */
export const refusalKey = ({ node, replica }: ModelOnNode): string => `${node} ${replica}`;

/**
 * The replica with the least under way, by its own word and by what this gateway has sent since. Of a version that is being
 * reloaded the old one, unless that has refused already: then it drains, and the new one has taken over.
 */
export function chooseNode(view: ModelView, refused: ReadonlySet<string>, deps: NodeChoiceDeps): ServedVersion | undefined {
  let best: ServedVersion | undefined;
  let bestLoad = Number.POSITIVE_INFINITY;
  for (const one of candidatesFor(view, refused, deps)) {
    const load = loadOf(one.hosted, deps.inFlight);
    if (load < bestLoad) {
      best = one;
      bestLoad = load;
    }
  }
  return best;
}

/** @param chosen by `chooseNode`, of the same */
export function explainNode(
  view: ModelView,
  refused: ReadonlySet<string>,
  chosen: ServedVersion | undefined,
  deps: NodeChoiceDeps,
): RoutePick {
  const { views, inFlight } = deps;
  const candidates = candidatesFor(view, refused, deps).map(({ hosted }) => {
    const { replica, node, inFlight: busy, queued } = hosted;
    return { replica, node, scores: { load: loadOf(hosted, inFlight), busy, queued, own_in_flight: inFlight.count(replica) } };
  });
  return explainCopy({
    model: view.name,
    version: view.version,
    hosted: views.hosted(),
    ready: views.readyFor(view.name, view.version).map(({ hosted }) => hosted),
    candidates,
    chosen: chosen?.hosted,
    hasRefused: (copy) => refused.has(refusalKey(copy)),
  });
}

function candidatesFor(view: ModelView, refused: ReadonlySet<string>, { views }: NodeChoiceDeps): readonly ServedVersion[] {
  const ready = views.readyFor(view.name, view.version);
  const willing = refused.size === 0 ? ready : ready.filter(({ hosted }) => !refused.has(refusalKey(hosted)));
  return staying(oldestOf(willing), ({ hosted }) => hosted.leaving);
}

function loadOf(hosted: ModelOnNode, inFlight: InFlight): number {
  return Math.max(hosted.inFlight + hosted.queued, inFlight.count(hosted.replica));
}
