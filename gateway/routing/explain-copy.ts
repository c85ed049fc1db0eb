/** Why a copy of a whole model was chosen: the candidates with their scores, and why the version's others were none. Pure. */
import type { ModelOnNode } from "../control/fleet.ts";
import type { Place, RoutePick } from "./route-explanation.ts";

export interface CopyQuestion {
  readonly model: string;
  readonly version: string;
  /** All that the fleet hosts. */
  readonly hosted: readonly ModelOnNode[];
  /** Those that this gateway may send requests to, were there nobody else. */
  readonly ready: readonly Place[];
  readonly candidates: RoutePick["candidates"];
  readonly chosen: Place | undefined;
  readonly hasRefused: (copy: ModelOnNode) => boolean;
}

export function explainCopy(question: CopyQuestion): RoutePick {
  const { model, version, hosted, candidates, chosen } = question;
  const others = hosted.filter((copy) => copy.model === model && copy.version === version && !candidates.some((one) => isSame(one, copy)));
  return { chosen, candidates, filtered: others.map((copy) => ({ replica: copy.replica, node: copy.node, why: whyNot(copy, question) })) };
}

function whyNot(copy: ModelOnNode, { ready, hasRefused }: CopyQuestion): string {
  if (copy.state.kind !== "ready") return copy.state.kind;
  if (hasRefused(copy)) return "has refused";
  if (!ready.some((one) => isSame(one, copy))) return "is to be unloaded, or lacks a model that it calls";
  return copy.leaving ? "its node is to be left" : "a later load";
}

const isSame = (one: Place, other: Place): boolean => one.replica === other.replica && one.node === other.node;
