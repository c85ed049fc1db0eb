/** What scripted models say of where a request went. */
import type { RoutePick } from "../../gateway/routing/route-explanation.ts";

const HERE = { replica: "scripted/1/1", node: "küste" };

export const SCRIPTED_PICK: RoutePick = {
  chosen: HERE,
  candidates: [{ ...HERE, scores: { load: 0.25 } }],
  filtered: [{ replica: "scripted/1/2", node: "other", why: "not ready" }],
};
